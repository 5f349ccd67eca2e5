# METADATA
# title: The cloud's watch for attacks is off
# description: >-
#   The cloud sees stolen keys in use, scans and command channels that no single service sees.
# custom:
#   id: DY-LOG-019
#   severity: medium
#   mend: >-
#     Switch it on, in every region in use.
#   kinds: [managed_service]
#   wants: {enabled: true}
#   reads: [enabled]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_log_019

import rego.v1

violations contains {"address": doc.address, "field": "enabled", "message": "it is off"} if {
	some doc in input.documents
	doc.class == "threat_detection"
	doc.enabled == false
}
