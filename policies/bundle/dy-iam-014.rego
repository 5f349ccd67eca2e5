# METADATA
# title: Passwords without a symbol allowed
# description: >-
#   The standard asks that passwords be complex; each class of characters makes guessing longer.
# custom:
#   id: DY-IAM-014
#   severity: medium
#   mend: >-
#     Demand a symbol.
#   kinds: [managed_service]
#   wants: {needs_symbol: true}
#   reads: [needs_symbol]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_014

import rego.v1

violations contains {"address": doc.address, "field": "needs_symbol", "message": "passwords without a symbol are allowed"} if {
	some doc in input.documents
	doc.needs_symbol == false
}
