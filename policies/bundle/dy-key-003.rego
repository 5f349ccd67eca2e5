# METADATA
# title: Key switched off
# description: >-
#   What it encrypts cannot be read until it is switched on again.
# custom:
#   id: DY-KEY-003
#   severity: low
#   mend: >-
#     Switch it on, or delete it with a waiting time.
#   kinds: [key]
#   wants: {enabled: true}
#   reads: [enabled]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_key_003

import rego.v1

violations contains {"address": doc.address, "field": "enabled", "message": "it is switched off"} if {
	some doc in input.documents
	doc.enabled == false
}
