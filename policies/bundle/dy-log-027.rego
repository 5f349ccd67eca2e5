# METADATA
# title: Record of resources leaves some out
# description: >-
#   What is not recorded is where a change goes unseen.
# custom:
#   id: DY-LOG-027
#   severity: low
#   mend: >-
#     Cover all kinds of resources, global ones in one region.
#   kinds: [managed_service]
#   wants: {all_resources: true}
#   reads: [all_resources]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_027

import rego.v1

violations contains {"address": doc.address, "field": "all_resources", "message": "it does not cover all kinds of resources"} if {
	some doc in input.documents
	doc.all_resources == false
}
