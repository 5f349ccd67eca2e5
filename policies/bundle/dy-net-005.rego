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
#   reads: [rules.cidr, rules.port_from, rules.port_to]
package duoyun.rules.dy_net_005

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "message": message} if {
	some doc in input.documents
	some rule in firewall.known(doc, "ingress", "allow")
	rule.protocol in {"tcp", "udp"}
	firewall.world(rule.cidr)
	width := (rule.port_to - rule.port_from) + 1
	width > input.parameters.most_ports
	message := sprintf("%d %s ports (%d to %d) from %s", [width, rule.protocol, rule.port_from, rule.port_to, rule.cidr])
}
