# METADATA
# title: Working volumes not under a key of ours
# description: >-
#   With the cloud's own key nobody can cut off access to the data.
# custom:
#   id: DY-ENC-021
#   severity: low
#   mend: >-
#     Name a key of the key service for the volumes.
#   kinds: [managed_service]
#   reads: [volume_key]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_021

import rego.v1

violations contains {"address": doc.address, "field": "volume_key", "message": "no key of ours encrypts its volumes"} if {
	some doc in input.documents
	doc.volume_key == ""
}
