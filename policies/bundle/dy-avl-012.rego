# METADATA
# title: Capacity that does not follow load
# description: >-
#   Load above the capacity is refused.
# custom:
#   id: DY-AVL-012
#   severity: low
#   mend: >-
#     Switch autoscaling on, with a limit.
#   kinds: [database, managed_service]
#   wants: {autoscaling: true}
#   apart: true
#   reads: [autoscaling]
package duoyun.rules.dy_avl_012

import rego.v1

violations contains {"address": doc.address, "field": "autoscaling", "message": "its capacity is fixed"} if {
	some doc in input.documents
	doc.autoscaling == false
}
