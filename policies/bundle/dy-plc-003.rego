# METADATA
# title: Filing asked for and missing
# description: >-
#   The service itself says that it needs a filing; without one the cloud blocks its entry.
# custom:
#   id: DY-PLC-003
#   severity: high
#   mend: >-
#     Place it where the fleet's region says icp: true.
#   kinds: [service_placement]
#   reads: [icp_required, sites]
package duoyun.rules.dy_plc_003

import rego.v1

violations contains {"address": doc.address, "field": "sites", "message": message} if {
	some doc in input.documents
	doc.icp_required == true
	some site in doc.sites
	site.icp == false
	message := sprintf("it needs an ICP filing, and %s has none", [site.site])
}
