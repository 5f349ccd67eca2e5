# METADATA
# title: Former passwords may come back
# description: >-
#   Who must change a password and may take the old one changes nothing.
# custom:
#   id: DY-IAM-016
#   severity: low
#   mend: >-
#     Refuse the last five or more.
#   kinds: [managed_service]
#   wants: {reuse_prevention: least}
#   parameters:
#     {least: 5}
#   reads: [reuse_prevention]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_016

import rego.v1

violations contains {"address": doc.address, "field": "reuse_prevention", "message": message} if {
	some doc in input.documents
	is_number(doc.reuse_prevention)
	doc.reuse_prevention < input.parameters.least
	message := sprintf("the last %d passwords may not come back", [doc.reuse_prevention])
}
