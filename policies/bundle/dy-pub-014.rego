# METADATA
# title: Nodes with public addresses
# description: >-
#   A node with its own address is one firewall mistake away from strangers.
# custom:
#   id: DY-PUB-014
#   severity: medium
#   mend: >-
#     Keep nodes in private subnets; let them leave through a NAT gateway.
#   kinds: [node_pool]
#   wants: {public_ip: false}
#   reads: [public_ip]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_pub_014

import rego.v1

violations contains {"address": doc.address, "field": "public_ip", "message": "its nodes get public addresses"} if {
	some doc in input.documents
	doc.public_ip == true
}
