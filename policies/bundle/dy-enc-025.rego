# METADATA
# title: Copies elsewhere not under a key of ours
# description: >-
#   With the cloud's own key nobody can cut off access to the copies.
# custom:
#   id: DY-ENC-025
#   severity: low
#   mend: >-
#     Name a key of the target region.
#   kinds: [managed_service]
#   reads: [copies_key]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_025

import rego.v1

violations contains {"address": doc.address, "field": "copies_key", "message": "no key of ours encrypts the copies"} if {
	some doc in input.documents
	doc.copies_key == ""
}
