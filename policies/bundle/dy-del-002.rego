# METADATA
# title: Load balancer that one call deletes
# description: >-
#   With it go its address and every name that points there.
# custom:
#   id: DY-DEL-002
#   severity: low
#   mend: >-
#     Switch deletion protection on.
#   kinds: [load_balancer]
#   wants: {deletion_protection: true}
#   reads: [deletion_protection]
package duoyun.rules.dy_del_002

import rego.v1

violations contains {"address": doc.address, "field": "deletion_protection", "message": "it can be deleted by a single call"} if {
	some doc in input.documents
	doc.deletion_protection == false
}
