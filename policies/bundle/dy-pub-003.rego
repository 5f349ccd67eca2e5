# METADATA
# title: Bucket that everybody can read
# description: >-
#   Whatever is put there is published: exports, backups and logs included, today's and next year's.
# custom:
#   id: DY-PUB-003
#   severity: critical
#   mend: >-
#     Take the public grant out; publish through a CDN or signed links instead.
#   kinds: [bucket]
#   wants: {public: false}
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.4.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_pub_003

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "anybody may read it"} if {
	some doc in input.documents
	doc.public == true
}
