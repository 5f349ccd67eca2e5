# METADATA
# title: Instance with a public address
# description: >-
#   A machine with an address of its own on the internet is one firewall mistake away from strangers.
# custom:
#   id: DY-NET-007
#   severity: high
#   mend: >-
#     Leave public_ip off; let callers come through a load balancer and let the machine leave through a
#     NAT gateway.
#   kinds: [instance]
#   stage: network
#   parameters:
#     allowed_services: []
#   reads: [public_ip, service]
package duoyun.rules.dy_net_007

import rego.v1

violations contains {"address": doc.address, "message": "it has a public IP address"} if {
	some doc in input.documents
	doc.public_ip == true
	is_string(doc.service)
	not doc.service in input.parameters.allowed_services
}
