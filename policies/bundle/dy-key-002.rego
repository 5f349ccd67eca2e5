# METADATA
# title: Key that is changed too rarely
# description: >-
#   The longer a key is used, the more is lost with it.
# custom:
#   id: DY-KEY-002
#   severity: low
#   mend: >-
#     Set the rotation to a year or less.
#   kinds: [key]
#   wants: {rotation_days: most_days}
#   parameters:
#     {most_days: 365}
#   reads: [rotation_days]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_key_002

import rego.v1

violations contains {"address": doc.address, "field": "rotation_days", "message": message} if {
	some doc in input.documents
	is_number(doc.rotation_days)
	doc.rotation_days > input.parameters.most_days
	message := sprintf("it is changed every %d days", [doc.rotation_days])
}
