# METADATA
# title: Old one goes before the new one stands
# description: >-
#   Between the two nothing answers, and where the new one fails there is no way back.
# custom:
#   id: DY-REL-006
#   severity: low
#   mend: >-
#     Set create_before_destroy in its lifecycle.
#   kinds: [managed_service, certificate]
#   wants: {create_before_destroy: true}
#   apart: true
#   reads: [create_before_destroy]
package duoyun.rules.dy_rel_006

import rego.v1

violations contains {"address": doc.address, "field": "create_before_destroy", "message": "it is destroyed before its successor stands"} if {
	some doc in input.documents
	doc.create_before_destroy == false
}
