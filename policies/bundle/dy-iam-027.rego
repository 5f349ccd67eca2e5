# METADATA
# title: Other accounts may use it
# description: >-
#   What another account does with our messages is out of our sight.
# custom:
#   id: DY-IAM-027
#   severity: medium
#   mend: >-
#     Name our own accounts, or add a condition on the organisation.
#   kinds: [queue, managed_service]
#   apart: true
#   reads: [foreign_principals]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_027

import rego.v1

violations contains {"address": doc.address, "field": "foreign_principals", "message": "its policy lets other accounts in"} if {
	some doc in input.documents
	doc.foreign_principals == true
}
