# METADATA
# title: Registry reachable from the internet
# description: >-
#   A registry that strangers can reach is protected by its passwords alone.
# custom:
#   id: DY-PUB-012
#   severity: medium
#   mend: >-
#     Switch public access off and pull through a private endpoint.
#   kinds: [registry]
#   wants: {public: false}
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_pub_012

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "it has a public endpoint"} if {
	some doc in input.documents
	doc.public == true
}
