# METADATA
# title: Key that anybody may use
# description: >-
#   A key for everybody encrypts nothing.
# custom:
#   id: DY-KEY-005
#   severity: high
#   mend: >-
#     Name the principals that need it.
#   kinds: [key]
#   reads: [any_principal]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_key_005

import rego.v1

violations contains {"address": doc.address, "field": "any_principal", "message": "its policy lets any principal use it"} if {
	some doc in input.documents
	doc.any_principal == true
}
