# METADATA
# title: Copies without tags
# description: >-
#   A snapshot without tags belongs to nobody and is kept for ever.
# custom:
#   id: DY-TAG-004
#   severity: low
#   mend: >-
#     Copy tags to snapshots.
#   kinds: [database, managed_service]
#   wants: {copy_tags: true}
#   apart: true
#   reads: [copy_tags]
package duoyun.rules.dy_tag_004

import rego.v1

violations contains {"address": doc.address, "field": "copy_tags", "message": "its copies do not carry its tags"} if {
	some doc in input.documents
	doc.copy_tags == false
}
