# METADATA
# title: Resource outside the allowed countries
# description: >-
#   Where data may be is law in many countries (in mainland China: Data Security Law, PIPL article
#   40 on what has to stay); a copy elsewhere cannot be undone. Off until countries or regions
#   (globs) are named.
# custom:
#   id: DY-RES-003
#   severity: critical
#   mend: >-
#     Choose a region of an allowed country.
#   kinds: [instance, instance_group, disk, database, cache, queue, bucket, managed_service, cluster]
#   apart: true
#   parameters:
#     countries: []
#     regions: []
#   reads: [country, region]
package duoyun.rules.dy_res_003

import rego.v1

violations contains {"address": doc.address, "field": "region", "message": message} if {
	some doc in input.documents
	count(input.parameters.countries) > 0
	is_string(doc.country)
	not doc.country in input.parameters.countries
	message := sprintf("it would be in %s (%v)", [doc.country, doc.region])
}

violations contains {"address": doc.address, "field": "region", "message": message} if {
	some doc in input.documents
	count(input.parameters.regions) > 0
	is_string(doc.region)
	not allowed(doc.region)
	message := sprintf("region %s is not allowed", [doc.region])
}

allowed(region) if {
	some pattern in input.parameters.regions
	glob.match(pattern, null, region)
}
