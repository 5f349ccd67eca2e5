# METADATA
# title: Deleted keys cannot be brought back
# description: >-
#   With the key goes everything that it encrypts.
# custom:
#   id: DY-KEY-004
#   severity: medium
#   mend: >-
#     Set the waiting time to 7 days or more.
#   kinds: [key]
#   wants: {deletion_days: least_days}
#   parameters:
#     {least_days: 7}
#   reads: [deletion_days]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_key_004

import rego.v1

violations contains {"address": doc.address, "field": "deletion_days", "message": message} if {
	some doc in input.documents
	is_number(doc.deletion_days)
	doc.deletion_days < input.parameters.least_days
	message := sprintf("a deleted one is gone after %d days", [doc.deletion_days])
}
