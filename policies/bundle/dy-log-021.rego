# METADATA
# title: Alerts that nobody gets
# description: >-
#   An alert that nobody gets is a log line.
# custom:
#   id: DY-LOG-021
#   severity: low
#   mend: >-
#     Switch the sending of alerts on.
#   kinds: [managed_service]
#   wants: {notifies: true}
#   reads: [notifies]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_log_021

import rego.v1

violations contains {"address": doc.address, "field": "notifies", "message": "alerts are not sent"} if {
	some doc in input.documents
	doc.notifies == false
}
