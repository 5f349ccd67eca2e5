# METADATA
# title: Key store reachable from the internet
# description: >-
#   Whoever steals one identity can read every secret from wherever he is.
# custom:
#   id: DY-PUB-015
#   severity: medium
#   mend: >-
#     Switch public access off and use a private endpoint.
#   kinds: [key]
#   wants: {public: false}
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_pub_015

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "it has a public endpoint"} if {
	some doc in input.documents
	doc.public == true
}
