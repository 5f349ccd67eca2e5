# METADATA
# title: Load balancer that stays within a zone
# description: >-
#   Targets in the emptier zone are overrun while others idle.
# custom:
#   id: DY-AVL-005
#   severity: low
#   mend: >-
#     Switch cross-zone load balancing on.
#   kinds: [load_balancer]
#   wants: {cross_zone: true}
#   reads: [cross_zone]
#   controls: [GB/T 22239-2019 8.1.2.1]
package duoyun.rules.dy_avl_005

import rego.v1

violations contains {"address": doc.address, "field": "cross_zone", "message": "it does not spread calls over zones"} if {
	some doc in input.documents
	doc.cross_zone == false
}
