# METADATA
# title: Reads of the audit trail are not logged
# description: >-
#   Who reads the trail knows what we know.
# custom:
#   id: DY-LOG-005
#   severity: low
#   mend: >-
#     Switch access logging on for the bucket that holds it.
#   kinds: [audit_trail]
#   reads: [destination_logs]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_005

import rego.v1

violations contains {"address": doc.address, "field": "destination_logs", "message": "who reads it is not recorded"} if {
	some doc in input.documents
	doc.destination_logs == false
}
