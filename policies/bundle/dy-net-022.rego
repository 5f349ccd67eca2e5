# METADATA
# title: Subnet's list lets strangers to every port
# description: >-
#   A list that lets everything pass is no second line.
# custom:
#   id: DY-NET-022
#   severity: medium
#   mend: >-
#     Allow the ports that the subnet serves.
#   kinds: [firewall_group]
#   stage: network
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_022

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	doc.family == "acl"
	some way in doc.reach
	firewall.everything(way)
	some place in way.rules
	message := sprintf("it lets %s to every %s port", [firewall.sources(way), way.protocol])
}
