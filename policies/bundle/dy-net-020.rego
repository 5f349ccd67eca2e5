# METADATA
# title: Subnet that hands out public addresses
# description: >-
#   A machine that nobody meant to publish gets an address on the internet because of where it
#   stands.
# custom:
#   id: DY-NET-020
#   severity: medium
#   mend: >-
#     Switch it off; give public addresses to load balancers by name.
#   kinds: [subnet]
#   wants: {public: false}
#   stage: network
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_net_020

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "machines in it get a public address unasked"} if {
	some doc in input.documents
	doc.public == true
}
