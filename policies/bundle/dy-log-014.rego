# METADATA
# title: Database logs not exported
# description: >-
#   Errors and slow queries explain outages, and logs on its own disk go with it.
# custom:
#   id: DY-LOG-014
#   severity: low
#   mend: >-
#     Export all of its logs to the log service.
#   kinds: [database]
#   wants: {query_logs: true}
#   reads: [query_logs]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_014

import rego.v1

violations contains {"address": doc.address, "field": "query_logs", "message": "its logs stay on its own disk, or are not written"} if {
	some doc in input.documents
	doc.query_logs == false
}
