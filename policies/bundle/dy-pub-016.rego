# METADATA
# title: Disk that can be exported over the internet
# description: >-
#   A signed link to a disk gives away the whole of it.
# custom:
#   id: DY-PUB-016
#   severity: medium
#   mend: >-
#     Switch public network access of the disk off.
#   kinds: [disk]
#   wants: {public: false}
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.3.1, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_pub_016

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "its content can be fetched from any network"} if {
	some doc in input.documents
	doc.public == true
}
