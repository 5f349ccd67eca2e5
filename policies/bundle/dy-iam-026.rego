# METADATA
# title: Policy that allows every action
# description: >-
#   Whoever may send may then also delete it or change its policy.
# custom:
#   id: DY-IAM-026
#   severity: high
#   mend: >-
#     Name the actions that are needed.
#   kinds: [queue, bucket, managed_service]
#   apart: true
#   reads: [any_action]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_026

import rego.v1

violations contains {"address": doc.address, "field": "any_action", "message": "its policy allows every action"} if {
	some doc in input.documents
	doc.any_action == true
}
