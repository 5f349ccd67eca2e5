# METADATA
# title: Right to do everything
# description: >-
#   Whoever gets hold of such a right owns the account; it also hides what is really needed.
# custom:
#   id: DY-IAM-001
#   severity: critical
#   mend: >-
#     Name the actions and the resources that are needed.
#   kinds: [identity]
#   parameters:
#     everything: ['*', '*:*']
#   reads: [grants.effect, grants.actions, grants.resources]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_001

import rego.v1

violations contains {"address": doc.address, "field": sprintf("grants[%d]", [n]), "message": "it may do everything with everything"} if {
	some doc in input.documents
	some n, grant in doc.grants
	grant.effect == "allow"
	"*" in grant.resources
	some action in grant.actions
	action in input.parameters.everything
}
