# METADATA
# title: Entry whose list lets in the world
# description: >-
#   A list that lets in the world keeps nobody out; where the entry is meant for everybody, it needs
#   none.
# custom:
#   id: DY-NET-011
#   severity: low
#   mend: >-
#     Name the blocks of the services and offices that need it.
#   kinds: [load_balancer]
#   stage: network
#   reads: [allowed_cidrs]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_011

import rego.v1

violations contains {"address": doc.address, "field": "allowed_cidrs", "message": message} if {
	some doc in input.documents
	count(doc.strangers) > 0
	message := sprintf("its list lets in %s", [concat(", ", sort(doc.strangers))])
}
