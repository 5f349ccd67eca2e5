# METADATA
# title: Cache reachable from the internet
# description: >-
#   Caches hold sessions and tokens, and many of them know no users.
# custom:
#   id: DY-PUB-002
#   severity: high
#   mend: >-
#     Switch the public endpoint off and place the cache in the services' network.
#   kinds: [cache]
#   wants: {public: false}
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_pub_002

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "it has a public endpoint"} if {
	some doc in input.documents
	doc.public == true
}
