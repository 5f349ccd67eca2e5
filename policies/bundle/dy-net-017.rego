# METADATA
# title: Default group that lets something pass
# description: >-
#   Whoever forgets to name a group gets this one.
# custom:
#   id: DY-NET-017
#   severity: medium
#   mend: >-
#     Take all rules out of the default group.
#   kinds: [firewall_group]
#   stage: network
#   reads: [rules, default]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_017

import rego.v1

violations contains {"address": doc.address, "field": "rules", "message": "it is the network's default group, and lets something pass"} if {
	some doc in input.documents
	doc.default == true
	not doc.family == "acl"
	some rule in doc.rules
	rule.action == "allow"
}
