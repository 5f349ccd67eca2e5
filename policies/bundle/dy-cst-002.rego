# METADATA
# title: Address that nothing uses
# description: >-
#   Reserved addresses cost money as long as nothing uses them.
# custom:
#   id: DY-CST-002
#   severity: info
#   mend: >-
#     Release it.
#   kinds: [public_ip]
#   reads: [attached_to]
package duoyun.rules.dy_cst_002

import rego.v1

violations contains {"address": doc.address, "field": "attached_to", "message": "nothing uses it"} if {
	some doc in input.documents
	doc.attached_to == ""
}
