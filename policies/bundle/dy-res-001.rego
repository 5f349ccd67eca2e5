# METADATA
# title: Data outside its legal zones
# description: >-
#   The law says where these data may be; a copy elsewhere cannot be undone (in mainland China: PIPL
#   articles 38 to 40, Data Security Law article 31).
# custom:
#   id: DY-RES-001
#   severity: critical
#   mend: >-
#     Place the service in the zones that it names, or have its data class and zones reviewed.
#   kinds: [service_placement]
#   reads: [sites, zones]
#   unknown: fail
package duoyun.rules.dy_res_001

import rego.v1

violations contains {"address": doc.address, "field": "sites", "message": message} if {
	some doc in input.documents
	every zone in doc.zones { is_string(zone) }
	not "any" in doc.zones
	some site in doc.sites
	not is_object(site.country)
	not site.country in doc.zones
	message := sprintf("%s data would be in %s (%v); allowed: %s", [
		doc.data_class,
		site.site,
		object.get(site, "country", "unknown"),
		concat(", ", doc.zones),
	])
}
