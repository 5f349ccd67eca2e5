# METADATA
# title: Control plane logs off
# description: >-
#   Scheduler, controller and authenticator logs tell what the audit log does not.
# custom:
#   id: DY-LOG-028
#   severity: medium
#   mend: >-
#     Switch all logs of the control plane on.
#   kinds: [cluster]
#   wants: {logs: true}
#   reads: [logs]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_028

import rego.v1

violations contains {"address": doc.address, "field": "logs", "message": "not all logs of its control plane are kept"} if {
	some doc in input.documents
	doc.logs == false
}
