# METADATA
# title: Cluster without audit logs
# description: >-
#   Without the API server's audit log nobody can say afterwards who did what.
# custom:
#   id: DY-CLU-002
#   severity: high
#   mend: >-
#     Switch the control plane's audit log on (audit_logs: true).
#   kinds: [cluster]
#   wants: {audit_logs: true}
#   reads: [audit_logs]
package duoyun.rules.dy_clu_002

import rego.v1

violations contains {"address": doc.address, "field": "audit_logs", "message": "its audit log is off"} if {
	some doc in input.documents
	doc.audit_logs == false
}
