# METADATA
# title: What it starts has no tags
# description: >-
#   Machines without tags are paid by nobody and owned by nobody.
# custom:
#   id: DY-TAG-005
#   severity: low
#   mend: >-
#     Propagate tags at launch.
#   kinds: [instance_group, managed_service]
#   wants: {propagates_tags: true}
#   apart: true
#   reads: [propagates_tags]
package duoyun.rules.dy_tag_005

import rego.v1

violations contains {"address": doc.address, "field": "propagates_tags", "message": "what it starts does not carry its tags"} if {
	some doc in input.documents
	doc.propagates_tags == false
}
