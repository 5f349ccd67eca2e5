# METADATA
# title: Network card that forwards foreign traffic
# description: >-
#   A machine that forwards can carry traffic around the firewall groups of others.
# custom:
#   id: DY-NET-024
#   severity: medium
#   mend: >-
#     Switch forwarding off, except on a router of ours.
#   kinds: [managed_service]
#   wants: {ip_forwarding: false}
#   stage: network
#   reads: [ip_forwarding]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_024

import rego.v1

violations contains {"address": doc.address, "field": "ip_forwarding", "message": "it forwards traffic that is not its own"} if {
	some doc in input.documents
	doc.ip_forwarding == true
}
