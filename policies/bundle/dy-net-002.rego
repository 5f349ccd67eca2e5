# METADATA
# title: Data store port open to the world
# description: >-
#   Databases, caches, queues and search engines belong behind the services that own them. Many of them
#   have no authentication as shipped.
# custom:
#   id: DY-NET-002
#   severity: critical
#   mend: >-
#     Allow the port from the services' own subnets only.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     ports: [1433, 1521, 2379, 3306, 5432, 5672, 6379, 9042, 9092, 9200, 11211, 27017]
#     protocols: [tcp]
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
package duoyun.rules.dy_net_002

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	some port in input.parameters.ports
	some protocol in input.parameters.protocols
	some way in firewall.open_to_world(doc, protocol, port)
	some place in way.rules
	message := sprintf("data store port %s/%d%s can be reached from %s%s", [
		protocol,
		port,
		way.of,
		firewall.sources(way),
		way.by,
	])
}
