# METADATA
# title: Service not kept in a second region
# description: >-
#   With the region it is gone.
# custom:
#   id: DY-BAK-015
#   severity: low
#   mend: >-
#     Switch geo-redundancy on, within the country where the law says so.
#   kinds: [managed_service]
#   reads: [geo_redundant]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_015

import rego.v1

violations contains {"address": doc.address, "field": "geo_redundant", "message": "it is kept in one region only"} if {
	some doc in input.documents
	doc.geo_redundant == false
}
