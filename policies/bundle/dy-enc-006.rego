# METADATA
# title: Bucket not under a key of ours
# description: >-
#   A key of ours is a second lock: who may read the bucket still needs the key, and each use of it
#   is logged.
# custom:
#   id: DY-ENC-006
#   severity: low
#   mend: >-
#     Set default encryption to a key of the key service.
#   kinds: [bucket]
#   reads: [sse]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_006

import rego.v1

violations contains {"address": doc.address, "field": "sse", "message": "no key of ours encrypts it"} if {
	some doc in input.documents
	doc.sse in {"none", "cloud"}
}
