# METADATA
# title: Logs kept for too short
# description: >-
#   An intrusion is found months later on average; and the Cybersecurity Law of the People's
#   Republic of China (article 21) asks for six months.
# custom:
#   id: DY-LOG-009
#   severity: medium
#   mend: >-
#     Keep logs for 180 days or more.
#   kinds: [database, managed_service]
#   wants: {log_retention_days: least_days}
#   apart: true
#   parameters:
#     {least_days: 180}
#   reads: [log_retention_days]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_009

import rego.v1

violations contains {"address": doc.address, "field": "log_retention_days", "message": message} if {
	some doc in input.documents
	is_number(doc.log_retention_days)
	doc.log_retention_days < input.parameters.least_days
	message := sprintf("logs are kept for %d days", [doc.log_retention_days])
}
