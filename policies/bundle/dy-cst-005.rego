# METADATA
# title: Machine type that is not allowed
# description: >-
#   A type with accelerators or hundreds of cores is started by one word and paid by the hour. Off
#   until patterns are named.
# custom:
#   id: DY-CST-005
#   severity: medium
#   mend: >-
#     Choose another type.
#   kinds: [instance, instance_group, node_pool]
#   apart: true
#   parameters:
#     refused: []
#   reads: [instance_type]
package duoyun.rules.dy_cst_005

import rego.v1

violations contains {"address": doc.address, "field": "instance_type", "message": message} if {
	some doc in input.documents
	is_string(doc.instance_type)
	some pattern in input.parameters.refused
	regex.match(pattern, doc.instance_type)
	message := sprintf("type %s is not allowed", [doc.instance_type])
}
