# METADATA
# title: Cached answers not encrypted
# description: >-
#   Cached answers hold what callers were allowed to see, one of them at a time.
# custom:
#   id: DY-ENC-023
#   severity: medium
#   mend: >-
#     Switch encryption of the cache on.
#   kinds: [managed_service]
#   wants: {cache_encrypted: true}
#   reads: [cache_encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_023

import rego.v1

violations contains {"address": doc.address, "field": "cache_encrypted", "message": "its cache is not encrypted"} if {
	some doc in input.documents
	doc.cache_encrypted == false
}
