# METADATA
# title: Access key that does not end
# description: >-
#   Keys leak through code, logs and laptops, and work until somebody notices.
# custom:
#   id: DY-IAM-008
#   severity: medium
#   mend: >-
#     Use a role, or the workload's own identity.
#   kinds: [identity]
#   reads: [long_lived_keys]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_008

import rego.v1

violations contains {"address": doc.address, "field": "long_lived_keys", "message": "it has an access key that does not end"} if {
	some doc in input.documents
	object.get(doc, "root", null) in {false, null}
	doc.long_lived_keys == true
}
