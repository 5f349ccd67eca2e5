# METADATA
# title: Too few nodes that lead
# description: >-
#   Two cannot agree when they lose sight of one another.
# custom:
#   id: DY-AVL-010
#   severity: low
#   mend: >-
#     Give it three dedicated ones.
#   kinds: [managed_service]
#   parameters:
#     {least: 3}
#   reads: [control_nodes]
package duoyun.rules.dy_avl_010

import rego.v1

violations contains {"address": doc.address, "field": "control_nodes", "message": message} if {
	some doc in input.documents
	is_number(doc.control_nodes)
	doc.control_nodes < input.parameters.least
	message := sprintf("it has %d nodes that lead", [doc.control_nodes])
}
