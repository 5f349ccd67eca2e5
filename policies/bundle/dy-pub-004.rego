# METADATA
# title: Bucket that everybody can write to
# description: >-
#   Strangers can replace what is served from it, fill it at our cost, or keep their own files
#   there.
# custom:
#   id: DY-PUB-004
#   severity: critical
#   mend: >-
#     Take the public write grant out; accept uploads by signed links that expire.
#   kinds: [bucket]
#   wants: {public_write: false}
#   reads: [public_write]
#   controls: [GB/T 22239-2019 8.1.4.2, GB/T 22239-2019 8.1.4.7]
package duoyun.rules.dy_pub_004

import rego.v1

violations contains {"address": doc.address, "field": "public_write", "message": "anybody may write to it"} if {
	some doc in input.documents
	doc.public_write == true
}
