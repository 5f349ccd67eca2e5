# METADATA
# title: Traffic of known attackers passes
# description: >-
#   The cloud knows who attacks others; without that list we let them try us.
# custom:
#   id: DY-NET-031
#   severity: low
#   mend: >-
#     Set the threat intelligence mode to deny.
#   kinds: [managed_service]
#   stage: network
#   reads: [threat_intel]
#   controls: [GB/T 22239-2019 8.1.3.3]
package duoyun.rules.dy_net_031

import rego.v1

violations contains {"address": doc.address, "field": "threat_intel", "message": "addresses known as hostile are not denied"} if {
	some doc in input.documents
	doc.threat_intel in {"off", "alert"}
}
