# METADATA
# title: No audit log
# description: >-
#   Without an audit log nobody can say who read or changed what.
# custom:
#   id: DY-LOG-026
#   severity: low
#   mend: >-
#     Switch the audit log on.
#   kinds: [queue, managed_service]
#   wants: {audit_logs: true}
#   apart: true
#   reads: [audit_logs]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_026

import rego.v1

violations contains {"address": doc.address, "field": "audit_logs", "message": "who did what in it is not recorded"} if {
	some doc in input.documents
	doc.audit_logs == false
}
