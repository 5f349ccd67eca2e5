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
#   kinds: [instance, instance_group, managed_service]
#   apart: true
#   stage: network
#   parameters:
#     allowed_services: []
#   reads: [public_ip, public, service]
package duoyun.rules.dy_net_007

import rego.v1

violations contains {"address": doc.address, "field": field, "message": "it has a public IP address"} if {
	some doc in input.documents
	some field in ["public_ip", "public"]
	doc[field] == true
	addressed(doc, field)
	is_string(doc.service)
	not doc.service in input.parameters.allowed_services
}

addressed(_, "public_ip") := true

# Of other things only a network card and a template for machines speak of a machine's own address.
addressed(doc, "public") if doc.class in {"launch_template", "network_interface"}
