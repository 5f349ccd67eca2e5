# METADATA
# title: Database without audit log
# description: >-
#   Without an audit log nobody can say which rows were read or changed by whom.
# custom:
#   id: DY-LOG-013
#   severity: medium
#   mend: >-
#     Switch the audit log on.
#   kinds: [database]
#   wants: {audit_logs: true}
#   reads: [audit_logs]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_013

import rego.v1

violations contains {"address": doc.address, "field": "audit_logs", "message": "who did what in it is not recorded"} if {
	some doc in input.documents
	doc.audit_logs == false
}
