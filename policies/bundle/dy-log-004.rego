# METADATA
# title: Audit trail that can be changed unseen
# description: >-
#   Without digests nobody can show that a log was not edited.
# custom:
#   id: DY-LOG-004
#   severity: medium
#   mend: >-
#     Switch log file validation on.
#   kinds: [audit_trail]
#   wants: {validated: true}
#   reads: [validated]
#   controls: [GB/T 22239-2019 8.1.4.3, GB/T 22239-2019 8.1.4.7]
package duoyun.rules.dy_log_004

import rego.v1

violations contains {"address": doc.address, "field": "validated", "message": "its files are not signed"} if {
	some doc in input.documents
	doc.validated == false
}
