# METADATA
# title: Too few instances
# description: >-
#   One instance means an outage with every update and every crash.
# custom:
#   id: DY-AVL-011
#   severity: low
#   mend: >-
#     Ask for two or more.
#   kinds: [managed_service]
#   wants: {replicas: least}
#   parameters:
#     {least: 2}
#   reads: [replicas]
package duoyun.rules.dy_avl_011

import rego.v1

violations contains {"address": doc.address, "field": "replicas", "message": message} if {
	some doc in input.documents
	is_number(doc.replicas)
	doc.replicas < input.parameters.least
	message := sprintf("it has %d instances", [doc.replicas])
}
