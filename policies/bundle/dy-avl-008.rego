# METADATA
# title: Nobody asks whether it answers
# description: >-
#   A process that hangs keeps its share of the calls.
# custom:
#   id: DY-AVL-008
#   severity: low
#   mend: >-
#     Set a health check that asks the application.
#   kinds: [instance_group, managed_service]
#   apart: true
#   reads: [health_check]
package duoyun.rules.dy_avl_008

import rego.v1

violations contains {"address": doc.address, "field": "health_check", "message": "who does not answer stays in service"} if {
	some doc in input.documents
	doc.health_check == false
}
