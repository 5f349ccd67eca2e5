# METADATA
# title: Access point that trusts its callers' numbers
# description: >-
#   A client can claim to be any user of the file system.
# custom:
#   id: DY-IAM-035
#   severity: low
#   mend: >-
#     Set the user, the group and the root folder of the access point.
#   kinds: [managed_service]
#   reads: [user_identity]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_035

import rego.v1

violations contains {"address": doc.address, "field": "user_identity", "message": "it takes the user number that a caller claims"} if {
	some doc in input.documents
	doc.user_identity == false
}
