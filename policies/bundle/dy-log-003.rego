# METADATA
# title: Audit trail that leaves events out
# description: >-
#   Reads and data events tell what was taken, not only what was changed.
# custom:
#   id: DY-LOG-003
#   severity: medium
#   mend: >-
#     Record management events of both kinds, read and write.
#   kinds: [audit_trail]
#   wants: {all_events: true}
#   reads: [all_events]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_003

import rego.v1

violations contains {"address": doc.address, "field": "all_events", "message": "it does not record all events"} if {
	some doc in input.documents
	doc.all_events == false
}
