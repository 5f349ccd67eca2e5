# METADATA
# title: Connections of networks accepted unasked
# description: >-
#   Another account that asks becomes a part of our network without anybody having looked.
# custom:
#   id: DY-NET-023
#   severity: medium
#   mend: >-
#     Accept each connection by hand, or by name.
#   kinds: [managed_service]
#   wants: {auto_accept: false}
#   stage: network
#   reads: [auto_accept]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_net_023

import rego.v1

violations contains {"address": doc.address, "field": "auto_accept", "message": "whoever asks is connected"} if {
	some doc in input.documents
	doc.auto_accept == true
}
