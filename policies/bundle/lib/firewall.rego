# Reachability within one firewall group: who may reach a port, after denials with a better priority.
package duoyun.lib.firewall

import rego.v1

# A block so wide that it means strangers: larger than any organisation's own, and not private.
world(cidr) if {
	is_string(cidr)
	not contains(cidr, ":")
	prefix_length(cidr) <= 7
}

world(cidr) if {
	is_string(cidr)
	contains(cidr, ":")
	prefix_length(cidr) <= 15
	not private_v6(cidr)
}

private_v6(cidr) if net.cidr_contains("fc00::/7", cidr)

private_v6(cidr) if net.cidr_contains("fe80::/10", cidr)

prefix_length(cidr) := to_number(split(cidr, "/")[1]) if contains(cidr, "/")

# Rules whose values are known; an unknown value is reported by the gate and judged by nobody.
known(group, direction, action) := [rule |
	some rule in group.rules
	rule.direction == direction
	rule.action == action
	is_string(rule.cidr)
	is_string(rule.protocol)
	is_number(rule.port_from)
	is_number(rule.port_to)
]

covers(rule, _, _) if rule.protocol == "any"

covers(rule, protocol, port) if {
	rule.protocol == protocol
	rule.port_from <= port
	port <= rule.port_to
}

# The blocks from which strangers reach that port.
open_to_world(group, protocol, port) := {rule.cidr |
	some rule in known(group, "ingress", "allow")
	covers(rule, protocol, port)
	world(rule.cidr)
	not denied_before(group, rule, protocol, port)
}

# A rule that is not known yet may be the one that denies: then nothing is certain, and the gate reports the unknown.
denied_before(group, rule, _, _) if may_deny(group, rule)

may_deny(group, rule) if {
	some other in group.rules
	not other.action == "allow"
	not other.direction == "egress"
	some field in ["action", "direction", "cidr", "protocol", "port_from", "port_to", "priority"]
	other[field]["$unknown"] == true
	not better(rule, other)
}

better(rule, other) if {
	is_number(other.priority)
	rule.priority < other.priority
}

denied_before(group, rule, protocol, port) if {
	some deny in known(group, "ingress", "deny")
	deny.priority <= rule.priority
	covers(deny, protocol, port)
	net.cidr_contains(deny.cidr, rule.cidr)
}
