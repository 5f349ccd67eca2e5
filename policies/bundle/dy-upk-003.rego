# METADATA
# title: Broken nodes stay
# description: >-
#   A node that half works fails requests until somebody looks.
# custom:
#   id: DY-UPK-003
#   severity: low
#   mend: >-
#     Switch automatic repair on.
#   kinds: [node_pool]
#   wants: {auto_repair: true}
#   reads: [auto_repair]
package duoyun.rules.dy_upk_003

import rego.v1

violations contains {"address": doc.address, "field": "auto_repair", "message": "broken nodes are not replaced by themselves"} if {
	some doc in input.documents
	doc.auto_repair == false
}
