# METADATA
# title: Registry not encrypted
# description: >-
#   Images hold code and often configuration.
# custom:
#   id: DY-ENC-015
#   severity: medium
#   mend: >-
#     Switch encryption on when the repository is made.
#   kinds: [registry]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_015

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "its images are not encrypted at rest"} if {
	some doc in input.documents
	doc.encrypted == false
}
