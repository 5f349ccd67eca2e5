# METADATA
# title: Not measured in detail
# description: >-
#   Measurements every five minutes miss what makes users wait.
# custom:
#   id: DY-LOG-024
#   severity: low
#   mend: >-
#     Switch detailed monitoring on.
#   kinds: [instance, instance_group, managed_service]
#   wants: {monitoring: true}
#   apart: true
#   reads: [monitoring]
package duoyun.rules.dy_log_024

import rego.v1

violations contains {"address": doc.address, "field": "monitoring", "message": "detailed monitoring is off"} if {
	some doc in input.documents
	doc.monitoring == false
}
