# METADATA
# title: Short passwords allowed
# description: >-
#   Short passwords are guessed offline within hours.
# custom:
#   id: DY-IAM-010
#   severity: medium
#   mend: >-
#     Set the shortest length to 14.
#   kinds: [managed_service]
#   wants: {min_length: least}
#   parameters:
#     {least: 14}
#   reads: [min_length]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_010

import rego.v1

violations contains {"address": doc.address, "field": "min_length", "message": message} if {
	some doc in input.documents
	is_number(doc.min_length)
	doc.min_length < input.parameters.least
	message := sprintf("passwords of %d characters are allowed", [doc.min_length])
}
