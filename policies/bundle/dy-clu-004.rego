# METADATA
# title: Cluster API with a public endpoint
# description: >-
#   A list of blocks keeps strangers out only as long as it is right.
# custom:
#   id: DY-CLU-004
#   severity: low
#   mend: >-
#     Use the private endpoint alone.
#   kinds: [cluster]
#   reads: [public_endpoint]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_clu_004

import rego.v1

violations contains {"address": doc.address, "field": "public_endpoint", "message": "its API has a public endpoint"} if {
	some doc in input.documents
	doc.public_endpoint == true
}
