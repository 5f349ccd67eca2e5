# METADATA
# title: Registry with an administrator's password
# description: >-
#   One password for everybody pushes any image, and nobody can say who did.
# custom:
#   id: DY-IAM-020
#   severity: medium
#   mend: >-
#     Switch the administrator off; use the cloud's identities.
#   kinds: [registry]
#   wants: {admin_user: false}
#   reads: [admin_user]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_020

import rego.v1

violations contains {"address": doc.address, "field": "admin_user", "message": "its built-in administrator account is on"} if {
	some doc in input.documents
	doc.admin_user == true
}
