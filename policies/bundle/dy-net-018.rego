# METADATA
# title: The cloud's default network is used
# description: >-
#   The default network gives every machine a public address and lets all of them talk to one
#   another.
# custom:
#   id: DY-NET-018
#   severity: medium
#   mend: >-
#     Make a network of our own, with subnets for what is public and what is not.
#   kinds: [network]
#   stage: network
#   reads: [default]
#   controls: [GB/T 22239-2019 8.1.2.1]
package duoyun.rules.dy_net_018

import rego.v1

violations contains {"address": doc.address, "field": "default", "message": "it is the network that the cloud made"} if {
	some doc in input.documents
	doc.default == true
}
