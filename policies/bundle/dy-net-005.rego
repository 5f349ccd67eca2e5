# METADATA
# title: Wide port range open to the world
# description: >-
#   A range of hundreds of ports is open for one of them; the others wait for whoever listens there
#   first.
# custom:
#   id: DY-NET-005
#   severity: medium
#   mend: >-
#     Open the single ports that are served.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     most_ports: 100
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
package duoyun.rules.dy_net_005

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	not doc.family == "acl"
	some way in doc.reach
	not firewall.everything(way)
	width := (way.port_to - way.port_from) + 1
	width > input.parameters.most_ports
	some place in way.rules
	message := sprintf("%d %s ports (%d to %d)%s can be reached from %s%s", [
		width,
		way.protocol,
		way.port_from,
		way.port_to,
		way.of,
		firewall.sources(way),
		way.by,
	])
}
