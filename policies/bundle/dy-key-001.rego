# METADATA
# title: Key that is never changed
# description: >-
#   What one key encrypts for ever is lost with it for ever.
# custom:
#   id: DY-KEY-001
#   severity: medium
#   mend: >-
#     Switch rotation on.
#   kinds: [key]
#   wants: {rotates: true}
#   reads: [rotates]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_key_001

import rego.v1

violations contains {"address": doc.address, "field": "rotates", "message": "it is not changed by itself"} if {
	some doc in input.documents
	doc.family == "key"
	doc.rotates == false
}
