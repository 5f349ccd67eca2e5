# METADATA
# title: Web application firewall that only watches
# description: >-
#   What is detected has happened already.
# custom:
#   id: DY-NET-029
#   severity: low
#   mend: >-
#     Switch from detection to prevention, after a time of watching for false alarms.
#   kinds: [managed_service]
#   wants: {blocks: true}
#   stage: network
#   reads: [blocks]
#   controls: [GB/T 22239-2019 8.1.3.3]
package duoyun.rules.dy_net_029

import rego.v1

violations contains {"address": doc.address, "field": "blocks", "message": "it tells of attacks and lets them pass"} if {
	some doc in input.documents
	doc.blocks == false
}
