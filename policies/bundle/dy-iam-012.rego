# METADATA
# title: Passwords without a lower-case letter allowed
# description: >-
#   The standard asks that passwords be complex; each class of characters makes guessing longer.
# custom:
#   id: DY-IAM-012
#   severity: low
#   mend: >-
#     Demand a lower-case letter.
#   kinds: [managed_service]
#   wants: {needs_lower: true}
#   reads: [needs_lower]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_012

import rego.v1

violations contains {"address": doc.address, "field": "needs_lower", "message": "passwords without a lower-case letter are allowed"} if {
	some doc in input.documents
	doc.needs_lower == false
}
