# METADATA
# title: Public entry without a web application firewall
# description: >-
#   Known attacks on web applications reach the application itself.
# custom:
#   id: DY-NET-026
#   severity: medium
#   mend: >-
#     Put a web application firewall before it.
#   kinds: [load_balancer, managed_service]
#   apart: true
#   stage: network
#   reads: [waf]
#   controls: [GB/T 22239-2019 8.1.3.3]
package duoyun.rules.dy_net_026

import rego.v1

violations contains {"address": doc.address, "field": "waf", "message": "no web application firewall stands before it"} if {
	some doc in input.documents
	doc.waf == false
}
