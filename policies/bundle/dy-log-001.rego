# METADATA
# title: Audit trail switched off
# description: >-
#   Without the trail nobody can say who did what in the account; that is what an intruder switches
#   off first.
# custom:
#   id: DY-LOG-001
#   severity: critical
#   mend: >-
#     Switch it on.
#   kinds: [audit_trail]
#   wants: {enabled: true}
#   reads: [enabled]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_001

import rego.v1

violations contains {"address": doc.address, "field": "enabled", "message": "it is switched off"} if {
	some doc in input.documents
	doc.enabled == false
}
