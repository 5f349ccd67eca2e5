# METADATA
# title: New disks are not encrypted by default
# description: >-
#   Every disk that somebody makes by hand or by a tool that does not care is in the clear.
# custom:
#   id: DY-ENC-026
#   severity: medium
#   mend: >-
#     Switch the account's default encryption of disks on, in every region in use.
#   kinds: [managed_service]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_026

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "disks made without a word about it are not encrypted"} if {
	some doc in input.documents
	doc.class == "account_setting"
	doc.encrypted == false
}
