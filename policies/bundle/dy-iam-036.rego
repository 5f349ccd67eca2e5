# METADATA
# title: Everything but a list allowed
# description: >-
#   What the cloud adds tomorrow is allowed the same day.
# custom:
#   id: DY-IAM-036
#   severity: medium
#   mend: >-
#     Name what is allowed.
#   kinds: [identity]
#   reads: [grants.effect, grants.not_actions]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_036

import rego.v1

violations contains {"address": doc.address, "field": sprintf("grants[%d]", [n]), "message": "it allows everything but what it names"} if {
	some doc in input.documents
	some n, grant in doc.grants
	grant.effect == "allow"
	is_array(grant.not_actions)
	count(grant.not_actions) > 0
}
