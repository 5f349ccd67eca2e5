# METADATA
# title: Role that anybody may take on
# description: >-
#   A role that trusts everybody is a door without a lock.
# custom:
#   id: DY-IAM-002
#   severity: critical
#   mend: >-
#     Name the accounts or services that may take it on.
#   kinds: [identity]
#   parameters:
#     anybody: ['*', 'arn:aws:iam::*:root']
#   reads: [trust]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_002

import rego.v1

violations contains {"address": doc.address, "field": sprintf("trust[%d]", [n]), "message": "any principal may take it on"} if {
	some doc in input.documents
	some n, grant in doc.trust
	grant.effect == "allow"
	grant.conditions == []
	some principal in grant.principals
	principal in input.parameters.anybody
}
