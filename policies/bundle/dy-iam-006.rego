# METADATA
# title: Right bound to a person
# description: >-
#   Rights bound to persons are forgotten when they change their work.
# custom:
#   id: DY-IAM-006
#   severity: low
#   mend: >-
#     Bind it to a group or a role.
#   kinds: [identity]
#   reads: [attached_to_users]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_006

import rego.v1

violations contains {"address": doc.address, "field": "attached_to_users", "message": "it is bound to a user directly"} if {
	some doc in input.documents
	doc.attached_to_users == true
}
