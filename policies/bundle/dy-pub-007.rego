# METADATA
# title: Service outside our network
# description: >-
#   What stands outside our network is kept from others by its own settings alone: no firewall
#   group, no flow log, no route is before it.
# custom:
#   id: DY-PUB-007
#   severity: medium
#   mend: >-
#     Place it in a subnet, or give it a private endpoint.
#   kinds: [database, cache, queue, managed_service]
#   apart: true
#   reads: [in_network]
#   controls: [GB/T 22239-2019 8.1.2.1, GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_pub_007

import rego.v1

violations contains {"address": doc.address, "field": "in_network", "message": "it stands in no network of ours"} if {
	some doc in input.documents
	doc.in_network == false
}
