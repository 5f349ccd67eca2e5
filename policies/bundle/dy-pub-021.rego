# METADATA
# title: Queue or stream with a public endpoint
# description: >-
#   A queue that strangers can reach is protected by its keys alone.
# custom:
#   id: DY-PUB-021
#   severity: medium
#   mend: >-
#     Switch public network access off and use a private endpoint.
#   kinds: [queue]
#   wants: {internet: false}
#   reads: [internet]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_pub_021

import rego.v1

violations contains {"address": doc.address, "field": "internet", "message": "it can be reached from the internet"} if {
	some doc in input.documents
	doc.internet == true
}
