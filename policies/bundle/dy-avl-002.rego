# METADATA
# title: Public service in a single zone
# description: >-
#   Zones fail as a whole; a public entry in one of them goes with it.
# custom:
#   id: DY-AVL-002
#   severity: low
#   mend: >-
#     Add placement.spread over zone, region or cloud.
#   kinds: [service_placement]
#   parameters:
#     least_zones: 2
#   reads: [public, replicas, sites]
package duoyun.rules.dy_avl_002

import rego.v1

violations contains {"address": doc.address, "field": "sites", "message": message} if {
	some doc in input.documents
	doc.public == true
	is_number(doc.replicas)
	doc.replicas >= 2
	is_array(doc.sites)
	zones := {site.site | some site in doc.sites}
	every zone in zones { is_string(zone) }
	count(zones) < input.parameters.least_zones
	message := sprintf("all %d replicas are in %s", [doc.replicas, concat(", ", sort(zones))])
}
