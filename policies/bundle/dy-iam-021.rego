# METADATA
# title: The cloud's identities cannot sign in
# description: >-
#   Its own passwords live in files and are not changed.
# custom:
#   id: DY-IAM-021
#   severity: low
#   mend: >-
#     Switch sign-in with the cloud's identities on.
#   kinds: [database]
#   wants: {iam_auth: true}
#   reads: [iam_auth]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_021

import rego.v1

violations contains {"address": doc.address, "field": "iam_auth", "message": "only its own passwords can be used"} if {
	some doc in input.documents
	doc.iam_auth == false
}
