# METADATA
# title: No contact for alerts
# description: >-
#   An alert needs a person.
# custom:
#   id: DY-LOG-022
#   severity: low
#   mend: >-
#     Name an address that is read by more than one person.
#   kinds: [managed_service]
#   reads: [contacts]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_log_022

import rego.v1

violations contains {"address": doc.address, "field": "contacts", "message": "nobody is named who gets its alerts"} if {
	some doc in input.documents
	doc.contacts == []
}
