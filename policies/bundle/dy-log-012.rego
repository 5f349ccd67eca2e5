# METADATA
# title: Entry without logs
# description: >-
#   The log of the entry is where an attack is seen first and whole.
# custom:
#   id: DY-LOG-012
#   severity: medium
#   mend: >-
#     Switch its logs on.
#   kinds: [managed_service]
#   wants: {logs: true}
#   reads: [logs]
#   controls: [GB/T 22239-2019 8.1.3.5]
package duoyun.rules.dy_log_012

import rego.v1

violations contains {"address": doc.address, "field": "logs", "message": "its calls are not recorded"} if {
	some doc in input.documents
	doc.class in {"cdn", "api_stage", "api_gateway", "waf", "firewall_appliance"}
	doc.logs == false
}
