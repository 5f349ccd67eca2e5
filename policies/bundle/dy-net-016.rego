# METADATA
# title: Firewall rule that says nothing of its reason
# description: >-
#   A rule without a reason is never taken out, since nobody knows who needs it.
# custom:
#   id: DY-NET-016
#   severity: low
#   mend: >-
#     Say in the description who needs it and why.
#   kinds: [firewall_group]
#   stage: network
#   parameters:
#     {of_groups: false}
#   reads: [rules, description]
package duoyun.rules.dy_net_016

import rego.v1

violations contains {"address": doc.address, "field": sprintf("rules[%d]", [n]), "message": message} if {
	some doc in input.documents
	some n, rule in doc.rules
	rule.description == ""
	message := sprintf("a rule (%v %v %v) has no description", [rule.direction, rule.protocol, rule.cidr])
}

violations contains {"address": doc.address, "field": "description", "message": "it has no description"} if {
	some doc in input.documents
	doc.description == ""
	input.parameters.of_groups == true
}
