# METADATA
# title: Access key of the root user
# description: >-
#   The root user cannot be held to anything; its key is the account.
# custom:
#   id: DY-IAM-007
#   severity: critical
#   mend: >-
#     Delete the key; use roles.
#   kinds: [identity]
#   reads: [root, long_lived_keys]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_007

import rego.v1

violations contains {"address": doc.address, "field": "long_lived_keys", "message": "the account's root user has an access key"} if {
	some doc in input.documents
	doc.root == true
	doc.long_lived_keys == true
}
