# METADATA
# title: Managed code with rights over its host
# description: >-
#   Whoever changes the code or the image then has the host.
# custom:
#   id: DY-IAM-030
#   severity: high
#   mend: >-
#     Take the privileged mode out.
#   kinds: [managed_service]
#   wants: {privileged: false}
#   reads: [privileged]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_030

import rego.v1

violations contains {"address": doc.address, "field": "privileged", "message": "it runs with rights over its host"} if {
	some doc in input.documents
	doc.privileged == true
}
