# METADATA
# title: Web application firewall without rules
# description: >-
#   A firewall without rules lets everything pass and looks as if it did not.
# custom:
#   id: DY-NET-028
#   severity: medium
#   mend: >-
#     Add the cloud's managed rules, or rules of our own.
#   kinds: [managed_service]
#   stage: network
#   reads: [rule_count]
#   controls: [GB/T 22239-2019 8.1.3.3]
package duoyun.rules.dy_net_028

import rego.v1

violations contains {"address": doc.address, "field": "rule_count", "message": "it holds no rule"} if {
	some doc in input.documents
	doc.rule_count == 0
}
