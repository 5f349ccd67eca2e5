# METADATA
# title: Tasks run with the role that starts them
# description: >-
#   The role that starts a task may pull images and read its secrets; the code in it should not.
# custom:
#   id: DY-IAM-032
#   severity: low
#   mend: >-
#     Give the task a role of its own.
#   kinds: [managed_service]
#   reads: [task_identity, execution_identity]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_032

import rego.v1

violations contains {"address": doc.address, "field": "task_identity", "message": "it runs as the role that starts it"} if {
	some doc in input.documents
	is_string(doc.task_identity)
	doc.task_identity != ""
	doc.task_identity == doc.execution_identity
}
