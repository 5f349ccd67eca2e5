# METADATA
# title: Load balancer without access logs
# description: >-
#   The access log of the entry is where an attack is seen first and whole.
# custom:
#   id: DY-LOG-011
#   severity: medium
#   mend: >-
#     Switch access logs on.
#   kinds: [load_balancer]
#   reads: [access_logs]
#   controls: [GB/T 22239-2019 8.1.3.5]
package duoyun.rules.dy_log_011

import rego.v1

violations contains {"address": doc.address, "field": "access_logs", "message": "its calls are not recorded"} if {
	some doc in input.documents
	doc.access_logs == false
}
