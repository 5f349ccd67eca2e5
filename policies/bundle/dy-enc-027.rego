# METADATA
# title: No second layer of encryption
# description: >-
#   A second layer keeps the data safe where one key or one algorithm fails.
# custom:
#   id: DY-ENC-027
#   severity: low
#   mend: >-
#     Switch infrastructure encryption on when it is made.
#   kinds: [queue, bucket, managed_service]
#   wants: {double_encryption: true}
#   apart: true
#   reads: [double_encryption]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_027

import rego.v1

violations contains {"address": doc.address, "field": "double_encryption", "message": "the infrastructure below does not encrypt again"} if {
	some doc in input.documents
	doc.double_encryption == false
}
