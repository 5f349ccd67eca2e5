# METADATA
# title: Plan that replaces what serves
# description: >-
#   A replacement takes the old one away first; whatever it serves is gone for that time.
# custom:
#   id: DY-REL-010
#   severity: high
#   mend: >-
#     Make a second one, move the traffic, then take the first one away.
#   kinds: [load_balancer, cluster, node_pool, instance_group]
#   apart: true
#   reads: [change]
package duoyun.rules.dy_rel_010

import rego.v1

violations contains {"address": doc.address, "field": "change", "message": "the plan would replace it, with an outage in between"} if {
	some doc in input.documents
	doc.change == "replace"
}
