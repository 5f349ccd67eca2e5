# METADATA
# title: Plain HTTP open to the world
# description: >-
#   What answers there speaks in the clear, unless it only redirects; this the firewall cannot tell.
# custom:
#   id: DY-NET-014
#   severity: low
#   mend: >-
#     Let a load balancer redirect, and close the port before machines.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     ports: [80]
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_014

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	some port in input.parameters.ports
	some way in firewall.open_to_world(doc, "tcp", port)
	some place in way.rules
	message := sprintf("port tcp/%d%s can be reached from %s%s", [port, way.of, firewall.sources(way), way.by])
}
