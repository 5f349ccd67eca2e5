# METADATA
# title: UDP service open to the world
# description: >-
#   These services answer a small question with a large answer; attackers let them flood others in
#   our name.
# custom:
#   id: DY-NET-013
#   severity: high
#   mend: >-
#     Allow the port from the networks that need it only.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     ports: [19, 69, 111, 123, 137, 161, 389, 1900, 5353, 11211]
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_013

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	some port in input.parameters.ports
	some way in firewall.open_to_world(doc, "udp", port)
	some place in way.rules
	message := sprintf("port udp/%d%s can be reached from %s%s", [port, way.of, firewall.sources(way), way.by])
}
