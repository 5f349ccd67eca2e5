# METADATA
# title: Not in a backup plan
# description: >-
#   What no plan covers is not there on the day it is needed.
# custom:
#   id: DY-BAK-008
#   severity: low
#   mend: >-
#     Add it to a backup plan, by its tags.
#   kinds: [instance, disk, managed_service]
#   apart: true
#   reads: [in_backup_plan]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_008

import rego.v1

violations contains {"address": doc.address, "field": "in_backup_plan", "message": "no backup plan covers it"} if {
	some doc in input.documents
	doc.in_backup_plan == false
}
