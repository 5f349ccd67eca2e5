# METADATA
# title: Passwords without an upper-case letter allowed
# description: >-
#   The standard asks that passwords be complex; each class of characters makes guessing longer.
# custom:
#   id: DY-IAM-011
#   severity: medium
#   mend: >-
#     Demand an upper-case letter.
#   kinds: [managed_service]
#   wants: {needs_upper: true}
#   reads: [needs_upper]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_011

import rego.v1

violations contains {"address": doc.address, "field": "needs_upper", "message": "passwords without an upper-case letter are allowed"} if {
	some doc in input.documents
	doc.needs_upper == false
}
