# METADATA
# title: Database in one zone
# description: >-
#   Zones fail as a whole.
# custom:
#   id: DY-AVL-003
#   severity: low
#   mend: >-
#     Switch the standby in a second zone on.
#   kinds: [database]
#   wants: {multi_zone: true}
#   reads: [multi_zone]
#   controls: [GB/T 22239-2019 8.1.2.1, GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_avl_003

import rego.v1

violations contains {"address": doc.address, "field": "multi_zone", "message": "it does not survive the loss of a zone"} if {
	some doc in input.documents
	doc.multi_zone == false
}
