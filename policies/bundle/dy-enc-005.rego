# METADATA
# title: Bucket not encrypted
# description: >-
#   Objects that are not encrypted are readable by whoever gets at the storage below.
# custom:
#   id: DY-ENC-005
#   severity: high
#   mend: >-
#     Switch default encryption on.
#   kinds: [bucket]
#   reads: [sse]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_005

import rego.v1

violations contains {"address": doc.address, "field": "sse", "message": "its objects are not encrypted at rest"} if {
	some doc in input.documents
	doc.sse in {"none"}
}
