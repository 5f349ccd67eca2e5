# METADATA
# title: Key store that can be emptied for good
# description: >-
#   One call then destroys every key and what they encrypt.
# custom:
#   id: DY-KEY-009
#   severity: medium
#   mend: >-
#     Switch purge protection on.
#   kinds: [key]
#   wants: {purge_protection: true}
#   reads: [purge_protection]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_key_009

import rego.v1

violations contains {"address": doc.address, "field": "purge_protection", "message": "what is deleted can be purged at once"} if {
	some doc in input.documents
	doc.purge_protection == false
}
