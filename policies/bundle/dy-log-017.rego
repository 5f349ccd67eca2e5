# METADATA
# title: Service without logs
# description: >-
#   Without logs an error is found by those whom it hits.
# custom:
#   id: DY-LOG-017
#   severity: low
#   mend: >-
#     Switch its logs on.
#   kinds: [managed_service]
#   wants: {logs: true}
#   reads: [logs]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_017

import rego.v1

violations contains {"address": doc.address, "field": "logs", "message": "what it does is not logged"} if {
	some doc in input.documents
	not doc.class in {"cdn", "api_stage", "api_gateway", "waf", "firewall_appliance"}
	doc.logs == false
}
