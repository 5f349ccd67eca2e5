# METADATA
# title: Bucket without access logs
# description: >-
#   After a leak the question is what was read, by whom.
# custom:
#   id: DY-LOG-010
#   severity: low
#   mend: >-
#     Switch access logging on.
#   kinds: [bucket]
#   reads: [access_logs]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_010

import rego.v1

violations contains {"address": doc.address, "field": "access_logs", "message": "who reads it is not recorded"} if {
	some doc in input.documents
	doc.access_logs == false
}
