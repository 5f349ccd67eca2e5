# METADATA
# title: Everything may leave
# description: >-
#   What an intruder fetches and what he sends home leaves by the same rule.
# custom:
#   id: DY-NET-015
#   severity: low
#   mend: >-
#     Allow the ports and blocks that are needed, or a proxy.
#   kinds: [firewall_group]
#   stage: network
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
#   controls: [GB/T 22239-2019 8.1.3.1, GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_015

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	not doc.family == "acl"
	some way in doc.reach_out
	firewall.everything(way)
	some place in way.rules
	message := sprintf("every %s port of %s can be reached from it", [way.protocol, firewall.sources(way)])
}
