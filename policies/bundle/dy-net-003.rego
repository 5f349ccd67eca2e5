# METADATA
# title: Everything open to the world
# description: >-
#   A rule that lets anybody reach every port is no rule: it also opens what is installed next year.
# custom:
#   id: DY-NET-003
#   severity: critical
#   mend: >-
#     Name the protocol and the ports that the service needs, and the blocks that need them.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     ports: 65000
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
package duoyun.rules.dy_net_003

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	not doc.family == "acl"
	some way in doc.reach
	ports := sum([width | some other in doc.reach; alike(other, way); width := 1 + (other.port_to - other.port_from)])
	ports >= input.parameters.ports
	some place in way.rules
	message := sprintf("%s may reach every %s port%s%s", [firewall.sources(way), way.protocol, way.of, way.by])
}

# Some single ports may be denied; the rest is still everything.
alike(other, way) if {
	other.protocol == way.protocol
	other.of == way.of
	other.rules == way.rules
}
