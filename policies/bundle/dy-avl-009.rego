# METADATA
# title: Plan without a promise
# description: >-
#   A plan for trying out is switched off or slowed without a word.
# custom:
#   id: DY-AVL-009
#   severity: low
#   mend: >-
#     Choose a plan with a promise of availability.
#   kinds: [managed_service, database]
#   wants: {sla: true}
#   apart: true
#   reads: [sla]
package duoyun.rules.dy_avl_009

import rego.v1

violations contains {"address": doc.address, "field": "sla", "message": "its plan promises no availability"} if {
	some doc in input.documents
	doc.sla == false
}
