# METADATA
# title: Secret not under a key of ours
# description: >-
#   With a key of ours, who may read the secret needs the key as well, and each use of it is logged.
# custom:
#   id: DY-ENC-017
#   severity: low
#   mend: >-
#     Name a key of the key service for the secret.
#   kinds: [key]
#   reads: [key]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_017

import rego.v1

violations contains {"address": doc.address, "field": "key", "message": "no key of ours encrypts it"} if {
	some doc in input.documents
	doc.family == "secret"
	doc.key == ""
}
