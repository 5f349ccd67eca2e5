# METADATA
# title: Service in one zone
# description: >-
#   Zones fail as a whole.
# custom:
#   id: DY-AVL-004
#   severity: low
#   mend: >-
#     Spread it over zones.
#   kinds: [cache, queue, registry, managed_service]
#   wants: {multi_zone: true}
#   apart: true
#   reads: [multi_zone]
#   controls: [GB/T 22239-2019 8.1.2.1]
package duoyun.rules.dy_avl_004

import rego.v1

violations contains {"address": doc.address, "field": "multi_zone", "message": "it does not survive the loss of a zone"} if {
	some doc in input.documents
	doc.multi_zone == false
}
