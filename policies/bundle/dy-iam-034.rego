# METADATA
# title: Password in the document
# description: >-
#   Documents are kept for ever, in repositories, state files and logs.
# custom:
#   id: DY-IAM-034
#   severity: high
#   mend: >-
#     Let the cloud make the password and keep it, or read it from the secret store.
#   kinds: [database, managed_service]
#   wants: {password_in_document: false}
#   apart: true
#   reads: [password_in_document]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_034

import rego.v1

violations contains {"address": doc.address, "field": "password_in_document", "message": "a password stands in the document"} if {
	some doc in input.documents
	doc.password_in_document == true
}
