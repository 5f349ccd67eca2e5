# METADATA
# title: Backups kept for too short
# description: >-
#   Damage is often noticed after a weekend, or two.
# custom:
#   id: DY-BAK-002
#   severity: medium
#   mend: >-
#     Keep backups for a week or more.
#   kinds: [database]
#   wants: {backup_days: least_days}
#   parameters:
#     {least_days: 7}
#   reads: [backup_days]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_002

import rego.v1

violations contains {"address": doc.address, "field": "backup_days", "message": message} if {
	some doc in input.documents
	doc.backup_days > 0
	doc.backup_days < input.parameters.least_days
	message := sprintf("backups are kept for %d days", [doc.backup_days])
}
