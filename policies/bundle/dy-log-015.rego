# METADATA
# title: Connections to a database not logged
# description: >-
#   Who connected, and who failed to, is the first trace of a guessed password.
# custom:
#   id: DY-LOG-015
#   severity: low
#   mend: >-
#     Switch the logging of connections on.
#   kinds: [database]
#   wants: {log_connections: true}
#   reads: [log_connections]
#   controls: [GB/T 22239-2019 8.1.4.3]
package duoyun.rules.dy_log_015

import rego.v1

violations contains {"address": doc.address, "field": "log_connections", "message": "connections are not logged"} if {
	some doc in input.documents
	doc.log_connections == false
}
