# METADATA
# title: No lock after failed sign-ins
# description: >-
#   The standard asks for a lock after failed sign-ins; without it guessing is only a matter of
#   time.
# custom:
#   id: DY-IAM-017
#   severity: medium
#   mend: >-
#     Lock the account after five failures.
#   kinds: [managed_service]
#   reads: [lockout_attempts]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_017

import rego.v1

violations contains {"address": doc.address, "field": "lockout_attempts", "message": "any number of passwords may be tried"} if {
	some doc in input.documents
	doc.lockout_attempts == 0
}
