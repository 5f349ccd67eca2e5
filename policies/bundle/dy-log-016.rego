# METADATA
# title: Checkpoints of a database not logged
# description: >-
#   Checkpoints explain stalls that nothing else explains.
# custom:
#   id: DY-LOG-016
#   severity: low
#   mend: >-
#     Switch the logging of checkpoints on.
#   kinds: [database]
#   wants: {log_checkpoints: true}
#   reads: [log_checkpoints]
package duoyun.rules.dy_log_016

import rego.v1

violations contains {"address": doc.address, "field": "log_checkpoints", "message": "checkpoints are not logged"} if {
	some doc in input.documents
	doc.log_checkpoints == false
}
