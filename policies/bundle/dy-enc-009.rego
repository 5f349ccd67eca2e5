# METADATA
# title: Queue or stream not encrypted
# description: >-
#   Messages hold the same data as the databases they come from.
# custom:
#   id: DY-ENC-009
#   severity: medium
#   mend: >-
#     Switch server-side encryption on.
#   kinds: [queue]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_009

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "its messages are not encrypted at rest"} if {
	some doc in input.documents
	doc.encrypted == false
}
