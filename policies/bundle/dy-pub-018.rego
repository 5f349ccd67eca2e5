# METADATA
# title: Service that any principal may use
# description: >-
#   A policy for everybody asks nobody who he is.
# custom:
#   id: DY-PUB-018
#   severity: high
#   mend: >-
#     Name the principals, or add a condition that says which account or source they come from.
#   kinds: [managed_service]
#   reads: [any_principal]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_pub_018

import rego.v1

violations contains {"address": doc.address, "field": "any_principal", "message": "its policy lets any principal in"} if {
	some doc in input.documents
	doc.any_principal == true
}
