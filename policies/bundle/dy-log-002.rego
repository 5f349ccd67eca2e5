# METADATA
# title: Audit trail for one region only
# description: >-
#   An intruder works in the region that nobody looks at.
# custom:
#   id: DY-LOG-002
#   severity: high
#   mend: >-
#     Make it cover all regions, and global services.
#   kinds: [audit_trail]
#   wants: {all_regions: true}
#   reads: [all_regions]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_002

import rego.v1

violations contains {"address": doc.address, "field": "all_regions", "message": "it covers one region only"} if {
	some doc in input.documents
	doc.all_regions == false
}
