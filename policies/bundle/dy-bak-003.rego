# METADATA
# title: No automated backups
# description: >-
#   What took days to build is gone with one call.
# custom:
#   id: DY-BAK-003
#   severity: low
#   mend: >-
#     Switch automated backups on.
#   kinds: [cache, managed_service]
#   wants: {backup_days: 7}
#   apart: true
#   reads: [backup_days]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_003

import rego.v1

violations contains {"address": doc.address, "field": "backup_days", "message": "it has no automated backups"} if {
	some doc in input.documents
	doc.backup_days == 0
}
