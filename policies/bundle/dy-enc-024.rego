# METADATA
# title: Copies elsewhere not encrypted
# description: >-
#   A copy in another region is as much worth protecting as the original.
# custom:
#   id: DY-ENC-024
#   severity: medium
#   mend: >-
#     Encrypt the copies with a key of that region.
#   kinds: [managed_service]
#   wants: {copies_encrypted: true}
#   reads: [copies_encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_024

import rego.v1

violations contains {"address": doc.address, "field": "copies_encrypted", "message": "copies that it makes elsewhere are not encrypted"} if {
	some doc in input.documents
	doc.copies_encrypted == false
}
