# METADATA
# title: Group of machines in one zone
# description: >-
#   Zones fail as a whole.
# custom:
#   id: DY-AVL-006
#   severity: low
#   mend: >-
#     Name subnets in two zones or more.
#   kinds: [instance_group]
#   reads: [zones]
#   controls: [GB/T 22239-2019 8.1.2.1]
package duoyun.rules.dy_avl_006

import rego.v1

violations contains {"address": doc.address, "field": "zones", "message": "all of its machines are in one zone"} if {
	some doc in input.documents
	is_array(doc.zones)
	count(doc.zones) == 1
}
