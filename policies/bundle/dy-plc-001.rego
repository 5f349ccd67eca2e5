# METADATA
# title: Site that is not allowed
# description: >-
#   An environment may only use sites that were accepted for it. Off until sites (globs) are named.
# custom:
#   id: DY-PLC-001
#   severity: high
#   mend: >-
#     Choose another site, or have this one accepted.
#   kinds: [service_placement]
#   parameters:
#     sites: []
#   reads: [sites]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_plc_001

import rego.v1

violations contains {"address": doc.address, "field": "sites", "message": message} if {
	some doc in input.documents
	count(input.parameters.sites) > 0
	some site in doc.sites
	is_string(site.site)
	not allowed(site.site)
	message := sprintf("site %s is not allowed", [site.site])
}

allowed(name) if {
	some pattern in input.parameters.sites
	glob.match(pattern, null, name)
}
