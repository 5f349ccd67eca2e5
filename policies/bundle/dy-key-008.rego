# METADATA
# title: Key outside a hardware module
# description: >-
#   Where level-3 data or GB/T 39786 ask for it, keys stay in a certified module.
# custom:
#   id: DY-KEY-008
#   severity: info
#   mend: >-
#     Make the key in the hardware tier.
#   kinds: [key]
#   wants: {hsm: true}
#   reads: [hsm]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_key_008

import rego.v1

violations contains {"address": doc.address, "field": "hsm", "message": "it is kept in software"} if {
	some doc in input.documents
	doc.hsm == false
}
