# METADATA
# title: Audit trail that nobody watches
# description: >-
#   A trail in a bucket is read after the fact, if at all.
# custom:
#   id: DY-LOG-006
#   severity: low
#   mend: >-
#     Send it to the log service as well, with alarms on it.
#   kinds: [audit_trail]
#   reads: [watched]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_006

import rego.v1

violations contains {"address": doc.address, "field": "watched", "message": "its entries go nowhere where alarms look"} if {
	some doc in input.documents
	doc.watched == false
}
