# METADATA
# title: Managed service reachable from the internet
# description: >-
#   A service that only ours need has no reason to answer strangers; every flaw in its sign-in can
#   be tried by everybody.
# custom:
#   id: DY-PUB-013
#   severity: medium
#   mend: >-
#     Switch public access off and reach it by a private endpoint or from its network.
#   kinds: [managed_service]
#   wants: {public: false}
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_pub_013

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "it can be reached from the internet"} if {
	some doc in input.documents
	not doc.class in {"launch_template", "network_interface"}
	doc.public == true
}
