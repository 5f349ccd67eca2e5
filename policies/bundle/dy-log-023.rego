# METADATA
# title: Record of resources is off
# description: >-
#   Without a record nobody can say what existed at the time, or what changed.
# custom:
#   id: DY-LOG-023
#   severity: medium
#   mend: >-
#     Switch the recorder on for all regions.
#   kinds: [managed_service]
#   wants: {enabled: true}
#   reads: [enabled]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_023

import rego.v1

violations contains {"address": doc.address, "field": "enabled", "message": "it is off"} if {
	some doc in input.documents
	doc.class == "config_recorder"
	doc.enabled == false
}
