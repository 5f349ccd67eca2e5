# METADATA
# title: Key or secret without an end date
# description: >-
#   What does not expire is not changed.
# custom:
#   id: DY-KEY-006
#   severity: low
#   mend: >-
#     Set an end date, and a rotation before it.
#   kinds: [key]
#   wants: {expires: true}
#   reads: [expires]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_key_006

import rego.v1

violations contains {"address": doc.address, "field": "expires", "message": "it has no end date"} if {
	some doc in input.documents
	doc.expires == false
}
