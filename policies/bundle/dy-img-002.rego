# METADATA
# title: Tags that can be moved
# description: >-
#   What was tested under a tag need not be what runs under it.
# custom:
#   id: DY-IMG-002
#   severity: medium
#   mend: >-
#     Make tags immutable.
#   kinds: [registry]
#   wants: {immutable_tags: true}
#   reads: [immutable_tags]
#   controls: [GB/T 22239-2019 8.1.4.6]
package duoyun.rules.dy_img_002

import rego.v1

violations contains {"address": doc.address, "field": "immutable_tags", "message": "a tag can be pushed again"} if {
	some doc in input.documents
	doc.immutable_tags == false
}
