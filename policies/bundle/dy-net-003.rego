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
#   reads: [rules.cidr, rules.protocol, rules.port_from, rules.port_to, rules.action]
package duoyun.rules.dy_net_003

import data.duoyun.lib.firewall
import rego.v1

violations contains {"address": doc.address, "message": message} if {
	some doc in input.documents
	some rule in firewall.known(doc, "ingress", "allow")
	firewall.world(rule.cidr)
	everything(rule)
	not denied_whole(doc, rule)
	message := sprintf("%s may reach every %s port", [rule.cidr, rule.protocol])
}

everything(rule) if rule.protocol == "any"

everything(rule) if {
	rule.protocol in {"tcp", "udp"}
	rule.port_from <= 1
	rule.port_to >= 65535
}

denied_whole(doc, rule) if firewall.may_deny(doc, rule)

denied_whole(doc, rule) if {
	some deny in firewall.known(doc, "ingress", "deny")
	deny.priority <= rule.priority
	everything(deny)
	deny.protocol in {"any", rule.protocol}
	net.cidr_contains(deny.cidr, rule.cidr)
}
