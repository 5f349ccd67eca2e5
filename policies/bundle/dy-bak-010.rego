# METADATA
# title: No last copy when it is deleted
# description: >-
#   A deletion by mistake then cannot be undone.
# custom:
#   id: DY-BAK-010
#   severity: low
#   mend: >-
#     Ask for a final snapshot.
#   kinds: [database]
#   reads: [final_snapshot]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_010

import rego.v1

violations contains {"address": doc.address, "field": "final_snapshot", "message": "no copy is made when it is deleted"} if {
	some doc in input.documents
	doc.final_snapshot == false
}
