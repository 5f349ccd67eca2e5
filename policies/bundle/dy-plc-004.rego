# METADATA
# title: Most replicas in one site
# description: >-
#   When that site fails, the others get more than they can carry.
# custom:
#   id: DY-PLC-004
#   severity: low
#   mend: >-
#     Ask for a more even spread.
#   kinds: [service_placement]
#   parameters:
#     {most_share: 0.8}
#   reads: [replicas, sites]
package duoyun.rules.dy_plc_004

import rego.v1

violations contains {"address": doc.address, "field": "sites", "message": message} if {
	some doc in input.documents
	is_number(doc.replicas)
	count(doc.sites) > 1
	some site in doc.sites
	is_number(site.replicas)
	site.replicas > doc.replicas * input.parameters.most_share
	message := sprintf("%d of %d replicas are in %s", [site.replicas, doc.replicas, site.site])
}
