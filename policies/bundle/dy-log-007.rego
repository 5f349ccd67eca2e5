# METADATA
# title: No flow log
# description: >-
#   Without flow logs nobody can say whom a machine talked to.
# custom:
#   id: DY-LOG-007
#   severity: medium
#   mend: >-
#     Switch flow logs on for the network.
#   kinds: [network, subnet, firewall_group]
#   wants: {flow_logs: true}
#   apart: true
#   reads: [flow_logs]
#   controls: [GB/T 22239-2019 8.1.3.5]
package duoyun.rules.dy_log_007

import rego.v1

violations contains {"address": doc.address, "field": "flow_logs", "message": "its traffic is not recorded"} if {
	some doc in input.documents
	doc.flow_logs == false
}
