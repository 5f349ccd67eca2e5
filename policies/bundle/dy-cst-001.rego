# METADATA
# title: Budget exceeded
# description: >-
#   The fleet names what an application may cost per hour.
# custom:
#   id: DY-CST-001
#   severity: high
#   mend: >-
#     Look at the plan for what costs most, relax a spread or a site rule, or raise the fleet's budget.
#   kinds: [cost]
#   parameters:
#     share: 1.0
#   reads: [budget_per_hour, total_per_hour]
package duoyun.rules.dy_cst_001

import rego.v1

violations contains {"address": doc.address, "field": "total_per_hour", "message": message} if {
	some doc in input.documents
	is_number(doc.budget_per_hour)
	is_number(doc.total_per_hour)
	doc.total_per_hour > doc.budget_per_hour * input.parameters.share
	message := sprintf("%v %s per hour, budget %v", [doc.total_per_hour, doc.currency, doc.budget_per_hour])
}
