# METADATA
# title: Node or container runtime port open to the world
# description: >-
#   The kubelet, a Docker socket over TCP or an unprotected etcd peer port hand the whole node or
#   cluster to whoever connects.
# custom:
#   id: DY-NET-004
#   severity: critical
#   mend: >-
#     Allow the port within the cluster's own network only.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     ports: [2375, 2376, 2380, 4194, 10250, 10255, 10257, 10259]
#     protocols: [tcp]
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
package duoyun.rules.dy_net_004

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "field": firewall.field(place), "message": message} if {
	some doc in input.documents
	some port in input.parameters.ports
	some protocol in input.parameters.protocols
	some way in firewall.open_to_world(doc, protocol, port)
	some place in way.rules
	message := sprintf("node port %s/%d%s can be reached from %s%s", [
		protocol,
		port,
		way.of,
		firewall.sources(way),
		way.by,
	])
}
