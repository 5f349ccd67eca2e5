# METADATA
# title: Users are root
# description: >-
#   Root changes what the platform's own agents see and send.
# custom:
#   id: DY-IAM-031
#   severity: medium
#   mend: >-
#     Switch root access off.
#   kinds: [managed_service]
#   wants: {root_access: false}
#   reads: [root_access]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_031

import rego.v1

violations contains {"address": doc.address, "field": "root_access", "message": "its users are root on its machine"} if {
	some doc in input.documents
	doc.root_access == true
}
