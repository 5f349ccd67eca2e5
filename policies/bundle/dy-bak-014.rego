# METADATA
# title: Deleted objects cannot be brought back
# description: >-
#   A deletion by mistake is noticed the next day.
# custom:
#   id: DY-BAK-014
#   severity: medium
#   mend: >-
#     Keep deleted objects for a week or more.
#   kinds: [bucket]
#   wants: {soft_delete_days: least_days}
#   parameters:
#     {least_days: 7}
#   reads: [soft_delete_days]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_014

import rego.v1

violations contains {"address": doc.address, "field": "soft_delete_days", "message": message} if {
	some doc in input.documents
	is_number(doc.soft_delete_days)
	doc.soft_delete_days < input.parameters.least_days
	message := sprintf("a deleted object is gone after %d days", [doc.soft_delete_days])
}
