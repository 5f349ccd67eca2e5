# METADATA
# title: Cache not encrypted
# description: >-
#   Caches write to disk too: swap, snapshots, append-only files.
# custom:
#   id: DY-ENC-004
#   severity: high
#   mend: >-
#     Switch encryption at rest on.
#   kinds: [cache]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_004

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "it is not encrypted at rest"} if {
	some doc in input.documents
	doc.encrypted == false
}
