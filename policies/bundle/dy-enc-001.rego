# METADATA
# title: Disk not encrypted
# description: >-
#   A disk that is not encrypted gives its data to whoever gets hold of a snapshot or the hardware.
# custom:
#   id: DY-ENC-001
#   severity: high
#   mend: >-
#     Switch encryption on; an existing disk is copied to an encrypted one.
#   kinds: [disk]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_001

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "it is not encrypted"} if {
	some doc in input.documents
	doc.encrypted == false
}
