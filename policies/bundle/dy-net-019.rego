# METADATA
# title: Subnet without a firewall group
# description: >-
#   Where the cloud guards subnets, one without a group passes everything to what stands in it.
# custom:
#   id: DY-NET-019
#   severity: medium
#   mend: >-
#     Put a firewall group before it.
#   kinds: [subnet]
#   stage: network
#   reads: [guarded]
#   controls: [GB/T 22239-2019 8.1.2.1, GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_019

import rego.v1

violations contains {"address": doc.address, "field": "guarded", "message": "no firewall group stands before it"} if {
	some doc in input.documents
	doc.guarded == false
}
