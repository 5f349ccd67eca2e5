# METADATA
# title: Secret that is never changed
# description: >-
#   A secret that leaks works until it is changed.
# custom:
#   id: DY-KEY-007
#   severity: low
#   mend: >-
#     Switch rotation on.
#   kinds: [key]
#   reads: [rotates]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_key_007

import rego.v1

violations contains {"address": doc.address, "field": "rotates", "message": "it is not changed by itself"} if {
	some doc in input.documents
	doc.family == "secret"
	doc.rotates == false
}
