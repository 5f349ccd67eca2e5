# METADATA
# title: Callers need not say who they are
# description: >-
#   A method without an authorizer is public, whatever the front before it.
# custom:
#   id: DY-IAM-023
#   severity: high
#   mend: >-
#     Set an authorizer, or demand signed calls.
#   kinds: [managed_service]
#   wants: {auth: true}
#   reads: [auth]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_023

import rego.v1

violations contains {"address": doc.address, "field": "auth", "message": "it answers calls without a sign-in"} if {
	some doc in input.documents
	doc.auth == false
}
