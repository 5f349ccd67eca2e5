# METADATA
# title: Backups in one region only
# description: >-
#   The standard asks at level 3 for a backup at another place.
# custom:
#   id: DY-BAK-006
#   severity: medium
#   mend: >-
#     Keep backups in a second region, within the country where the law says so.
#   kinds: [database]
#   reads: [geo_backup]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_006

import rego.v1

violations contains {"address": doc.address, "field": "geo_backup", "message": "its backups stay in its own region"} if {
	some doc in input.documents
	doc.geo_backup == false
}
