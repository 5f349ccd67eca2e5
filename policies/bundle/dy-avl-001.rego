# METADATA
# title: Public service with a single replica
# description: >-
#   One replica means an outage with every node update and every crash.
# custom:
#   id: DY-AVL-001
#   severity: low
#   mend: >-
#     Ask for two replicas or more.
#   kinds: [service_placement]
#   parameters:
#     least: 2
#   reads: [public, replicas]
package duoyun.rules.dy_avl_001

import rego.v1

violations contains {"address": doc.address, "field": "replicas", "message": message} if {
	some doc in input.documents
	doc.public == true
	is_number(doc.replicas)
	doc.replicas < input.parameters.least
	message := sprintf("it answers strangers with %d replica", [doc.replicas])
}
