# METADATA
# title: Working volumes not encrypted
# description: >-
#   Jobs write what they work on to their volumes.
# custom:
#   id: DY-ENC-020
#   severity: medium
#   mend: >-
#     Switch encryption of the volumes on.
#   kinds: [managed_service]
#   wants: {volumes_encrypted: true}
#   reads: [volumes_encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_020

import rego.v1

violations contains {"address": doc.address, "field": "volumes_encrypted", "message": "volumes of its machines are not encrypted"} if {
	some doc in input.documents
	doc.volumes_encrypted == false
}
