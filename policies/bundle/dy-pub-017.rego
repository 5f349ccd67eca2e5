# METADATA
# title: No private way in
# description: >-
#   Without a private endpoint traffic to it takes the public address, even from our own network.
# custom:
#   id: DY-PUB-017
#   severity: low
#   mend: >-
#     Add a private endpoint in the services' network.
#   kinds: [database, bucket]
#   apart: true
#   reads: [private_endpoint]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_pub_017

import rego.v1

violations contains {"address": doc.address, "field": "private_endpoint", "message": "it has no private endpoint"} if {
	some doc in input.documents
	doc.private_endpoint == false
}
