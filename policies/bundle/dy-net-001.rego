# METADATA
# title: Administration port open to the world
# description: >-
#   SSH and remote desktop that strangers can reach are the most attacked ports there are: one weak
#   password or one unpatched server gives the machine away.
# custom:
#   id: DY-NET-001
#   severity: critical
#   mend: >-
#     Allow the port from the bastion, the VPN or the office block only, or use the cloud's session
#     service and close it.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     ports: [22, 3389]
#     protocols: [tcp]
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
package duoyun.rules.dy_net_001

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	some port in input.parameters.ports
	some protocol in input.parameters.protocols
	some way in firewall.open_to_world(doc, protocol, port)
	some place in way.rules
	message := sprintf("administration port %s/%d%s can be reached from %s%s", [
		protocol,
		port,
		way.of,
		firewall.sources(way),
		way.by,
	])
}
