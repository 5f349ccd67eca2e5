# METADATA
# title: Service that lets in the world
# description: >-
#   A list that lets in the world is no list: its sign-in can be tried by everybody.
# custom:
#   id: DY-NET-010
#   severity: high
#   mend: >-
#     Name the blocks of the services and offices that need it.
#   kinds: [queue, registry, managed_service]
#   apart: true
#   stage: network
#   reads: [allowed_cidrs]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_010

import rego.v1

violations contains {"address": doc.address, "field": "allowed_cidrs", "message": message} if {
	some doc in input.documents
	count(doc.strangers) > 0
	message := sprintf("its list lets in %s", [concat(", ", sort(doc.strangers))])
}
