# METADATA
# title: No second factor demanded
# description: >-
#   A password alone is guessed, fished or bought.
# custom:
#   id: DY-IAM-009
#   severity: high
#   mend: >-
#     Demand a second factor for everybody who signs in.
#   kinds: [identity]
#   reads: [mfa]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_009

import rego.v1

violations contains {"address": doc.address, "field": "mfa", "message": "it may be used without a second factor"} if {
	some doc in input.documents
	doc.mfa == false
}
