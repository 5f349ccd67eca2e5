# METADATA
# title: No protection against floods
# description: >-
#   A flood takes a public entry away for as long as somebody pays for it.
# custom:
#   id: DY-NET-027
#   severity: low
#   mend: >-
#     Join it to a plan of protection against floods.
#   kinds: [network, public_ip, managed_service]
#   wants: {ddos_protection: true}
#   apart: true
#   stage: network
#   reads: [ddos_protection]
#   controls: [GB/T 22239-2019 8.1.3.3]
package duoyun.rules.dy_net_027

import rego.v1

violations contains {"address": doc.address, "field": "ddos_protection", "message": "no plan of protection against floods covers it"} if {
	some doc in input.documents
	doc.ddos_protection == false
}
