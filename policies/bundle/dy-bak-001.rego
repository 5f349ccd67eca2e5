# METADATA
# title: Database without backups
# description: >-
#   A wrong statement or a stolen password then loses everything for good.
# custom:
#   id: DY-BAK-001
#   severity: high
#   mend: >-
#     Switch automated backups on.
#   kinds: [database]
#   wants: {backup_days: 7}
#   reads: [backup_days]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_001

import rego.v1

violations contains {"address": doc.address, "field": "backup_days", "message": "it has no automated backups"} if {
	some doc in input.documents
	doc.backup_days == 0
}
