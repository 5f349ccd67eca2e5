# METADATA
# title: No way back to a moment
# description: >-
#   Between two backups everything is lost.
# custom:
#   id: DY-BAK-005
#   severity: medium
#   mend: >-
#     Switch point-in-time recovery on.
#   kinds: [database, managed_service]
#   wants: {point_in_time: true}
#   apart: true
#   reads: [point_in_time]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_005

import rego.v1

violations contains {"address": doc.address, "field": "point_in_time", "message": "it cannot be brought back to a moment"} if {
	some doc in input.documents
	doc.point_in_time == false
}
