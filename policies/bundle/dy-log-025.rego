# METADATA
# title: Commands inside containers are not logged
# description: >-
#   Whoever opens a shell in a container leaves no trace.
# custom:
#   id: DY-LOG-025
#   severity: low
#   mend: >-
#     Send the sessions to the log service.
#   kinds: [managed_service]
#   wants: {exec_logs: true}
#   reads: [exec_logs]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_025

import rego.v1

violations contains {"address": doc.address, "field": "exec_logs", "message": "commands run inside its containers are not logged"} if {
	some doc in input.documents
	doc.exec_logs == false
}
