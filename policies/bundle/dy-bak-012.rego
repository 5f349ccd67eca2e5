# METADATA
# title: Objects can be changed by whoever may write
# description: >-
#   Logs and records that must last need a lock that administrators cannot open.
# custom:
#   id: DY-BAK-012
#   severity: low
#   mend: >-
#     Switch object lock on for what must be kept.
#   kinds: [bucket]
#   wants: {locked: true}
#   reads: [locked]
#   controls: [GB/T 22239-2019 8.1.4.7, GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_012

import rego.v1

violations contains {"address": doc.address, "field": "locked", "message": "its objects can be changed or deleted at any time"} if {
	some doc in input.documents
	doc.locked == false
}
