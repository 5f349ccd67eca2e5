# What the network scan found (`reach`, `reach_out`, `strangers`), and what makes a block the internet.
package duoyun.lib.firewall

import rego.v1

# Ways by which strangers reach that port through a group that stands before machines.
open_to_world(group, protocol, port) := {way |
	not group.family == "acl"
	some way in group.reach
	way.protocol == protocol
	way.port_from <= port
	port <= way.port_to
}

# Every port of a protocol. Port 0 is used by nobody.
everything(way) if {
	way.port_from <= 1
	way.port_to >= 65535
}

# Where one of the rules that open a way stands.
field(place) := sprintf("rules[%d]", [place])

sources(way) := concat(", ", sort(way.sources))

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
