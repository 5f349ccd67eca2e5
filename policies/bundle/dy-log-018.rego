# METADATA
# title: Calls are not traced
# description: >-
#   A trace shows which of many services was slow or failed.
# custom:
#   id: DY-LOG-018
#   severity: info
#   mend: >-
#     Switch tracing on.
#   kinds: [managed_service]
#   wants: {tracing: true}
#   reads: [tracing]
package duoyun.rules.dy_log_018

import rego.v1

violations contains {"address": doc.address, "field": "tracing", "message": "calls are not traced"} if {
	some doc in input.documents
	doc.tracing == false
}
