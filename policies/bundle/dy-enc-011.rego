# METADATA
# title: Cache not under a key of ours
# description: >-
#   With the cloud's own key nobody can cut off access to the data, and its use leaves no trace of
#   ours.
# custom:
#   id: DY-ENC-011
#   severity: low
#   mend: >-
#     Name a key of the key service; most services only take it when they are made.
#   kinds: [cache]
#   reads: [key]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_011

import rego.v1

violations contains {"address": doc.address, "field": "key", "message": "no key of ours encrypts it"} if {
	some doc in input.documents
	doc.key == ""
}
