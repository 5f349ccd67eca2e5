# METADATA
# title: Debugger reachable from outside
# description: >-
#   A debugger reads and changes everything that the process holds.
# custom:
#   id: DY-PUB-019
#   severity: medium
#   mend: >-
#     Switch remote debugging off; switch it on for the hour in which it is needed.
#   kinds: [managed_service]
#   wants: {remote_debugging: false}
#   reads: [remote_debugging]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_pub_019

import rego.v1

violations contains {"address": doc.address, "field": "remote_debugging", "message": "a debugger may be attached from outside"} if {
	some doc in input.documents
	doc.remote_debugging == true
}
