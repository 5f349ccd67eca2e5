# METADATA
# title: Malformed CIDR
# description: >-
#   A block that no machine can read is a block that nobody can judge; it must never pass as harmless.
# custom:
#   id: DY-NET-000
#   severity: high
#   mend: >-
#     Write the block as address/prefix length, for example 10.0.0.0/16 or 2001:db8::/32.
#   kinds: [firewall_group, network, subnet, cluster, database, cache, queue, registry, load_balancer, managed_service]
#   apart: true
#   stage: network
#   reads: [rules.cidr, cidr, cidrs, allowed_cidrs, public_access_cidrs]
package duoyun.rules.dy_net_000

import rego.v1

violations contains {"address": doc.address, "field": entry.field, "message": message} if {
	some doc in input.documents
	some entry in entries(doc)
	is_string(entry.cidr)
	not net.cidr_is_valid(entry.cidr)
	message := sprintf("%q in %s is no CIDR", [entry.cidr, entry.field])
}

# A rule that names a group or a list of blocks has none.
entries(doc) := [{"field": sprintf("rules[%d]", [n]), "cidr": rule.cidr} |
	some n, rule in doc.rules
	is_object(rule)
	object.get(rule, "peer_group", "") == ""
	object.get(rule, "prefix_list", "") == ""
] if doc.kind == "firewall_group"

entries(doc) := [{"field": "cidr", "cidr": doc.cidr}] if doc.kind in {"network", "subnet"}

entries(doc) := [{"field": field, "cidr": cidr} |
	some field in ["allowed_cidrs", "cidrs", "public_access_cidrs"]
	is_array(doc[field])
	some cidr in doc[field]
] if {
	not doc.kind in {"firewall_group", "network", "subnet"}
}
