# METADATA
# title: Audit trail kept for too short
# description: >-
#   The Cybersecurity Law of the People's Republic of China (article 21) asks for network logs of
#   six months at least.
# custom:
#   id: DY-LOG-008
#   severity: high
#   mend: >-
#     Keep it for 180 days or more.
#   kinds: [audit_trail]
#   wants: {retention_days: least_days}
#   parameters:
#     {least_days: 180}
#   reads: [retention_days]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_008

import rego.v1

violations contains {"address": doc.address, "field": "retention_days", "message": message} if {
	some doc in input.documents
	is_number(doc.retention_days)
	doc.retention_days < input.parameters.least_days
	message := sprintf("it is kept for %d days", [doc.retention_days])
}
