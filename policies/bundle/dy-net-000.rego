# METADATA
# title: Malformed CIDR
# description: >-
#   A block that no machine can read is a block that nobody can judge; it must never pass as harmless.
# custom:
#   id: DY-NET-000
#   severity: high
#   mend: >-
#     Write the block as address/prefix length, for example 10.0.0.0/16 or 2001:db8::/32.
#   kinds: [firewall_group, network, subnet, cluster]
#   stage: network
#   reads: [rules.cidr, cidr, public_access_cidrs]
package duoyun.rules.dy_net_000

import rego.v1

violations contains {"address": doc.address, "message": message} if {
	some doc in input.documents
	some entry in entries(doc)
	is_string(entry.cidr)
	not net.cidr_is_valid(entry.cidr)
	message := sprintf("%q in %s is no CIDR", [entry.cidr, entry.field])
}

entries(doc) := [{"field": "rules", "cidr": rule.cidr} | some rule in doc.rules] if doc.kind == "firewall_group"

entries(doc) := [{"field": "cidr", "cidr": doc.cidr}] if doc.kind in {"network", "subnet"}

entries(doc) := [{"field": "public_access_cidrs", "cidr": cidr} | some cidr in doc.public_access_cidrs] if {
	doc.kind == "cluster"
}
