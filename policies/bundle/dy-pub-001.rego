# METADATA
# title: Database reachable from the internet
# description: >-
#   A database with an address on the internet is found by scanners within minutes; then its
#   passwords are all that is left.
# custom:
#   id: DY-PUB-001
#   severity: critical
#   mend: >-
#     Switch the public endpoint off and let services reach it from their own network.
#   kinds: [database]
#   wants: {public: false}
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.3.1, GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_pub_001

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "it has a public endpoint"} if {
	some doc in input.documents
	doc.public == true
}
