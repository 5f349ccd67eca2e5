# METADATA
# title: Subnet's list lets strangers to an administration port
# description: >-
#   The list before a subnet is the second line: it holds when a group before a machine is opened by
#   mistake.
# custom:
#   id: DY-NET-021
#   severity: medium
#   mend: >-
#     Deny the port before the rule that allows, or allow what is needed only.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     ports: [22, 3389]
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_021

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	doc.family == "acl"
	some port in input.parameters.ports
	some way in doc.reach
	way.protocol == "tcp"
	way.port_from <= port
	port <= way.port_to
	some place in way.rules
	message := sprintf("it lets %s to tcp/%d", [firewall.sources(way), port])
}
