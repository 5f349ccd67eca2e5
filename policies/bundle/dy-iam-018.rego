# METADATA
# title: No identity of its own
# description: >-
#   What has no identity needs a stored secret to sign in anywhere.
# custom:
#   id: DY-IAM-018
#   severity: low
#   mend: >-
#     Give it a managed identity or a role, with the rights that it needs.
#   kinds: [instance, instance_group, queue, managed_service]
#   apart: true
#   reads: [managed_identity]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_018

import rego.v1

violations contains {"address": doc.address, "field": "managed_identity", "message": "it has no identity of the cloud"} if {
	some doc in input.documents
	doc.managed_identity == false
}
