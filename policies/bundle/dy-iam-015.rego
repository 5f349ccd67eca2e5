# METADATA
# title: Passwords that need not change
# description: >-
#   The standard asks that passwords be changed; a stolen one should not work for years.
# custom:
#   id: DY-IAM-015
#   severity: medium
#   mend: >-
#     Set the longest age to 90 days.
#   kinds: [managed_service]
#   wants: {max_age_days: most_days}
#   parameters:
#     {most_days: 90}
#   reads: [max_age_days]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_015

import rego.v1

violations contains {"address": doc.address, "field": "max_age_days", "message": "a password need never be changed"} if {
	some doc in input.documents
	doc.max_age_days == 0
}

violations contains {"address": doc.address, "field": "max_age_days", "message": message} if {
	some doc in input.documents
	is_number(doc.max_age_days)
	doc.max_age_days > input.parameters.most_days
	message := sprintf("a password may be kept for %d days", [doc.max_age_days])
}
