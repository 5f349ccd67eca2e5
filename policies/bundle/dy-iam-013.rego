# METADATA
# title: Passwords without a digit allowed
# description: >-
#   The standard asks that passwords be complex; each class of characters makes guessing longer.
# custom:
#   id: DY-IAM-013
#   severity: medium
#   mend: >-
#     Demand a digit.
#   kinds: [managed_service]
#   wants: {needs_number: true}
#   reads: [needs_number]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_013

import rego.v1

violations contains {"address": doc.address, "field": "needs_number", "message": "passwords without a digit are allowed"} if {
	some doc in input.documents
	doc.needs_number == false
}
