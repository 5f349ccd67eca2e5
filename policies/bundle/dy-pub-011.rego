# METADATA
# title: Image repository open to anybody
# description: >-
#   Images hold code and often configuration; who may push decides what runs.
# custom:
#   id: DY-PUB-011
#   severity: high
#   mend: >-
#     Name the accounts that pull and those that push.
#   kinds: [registry]
#   reads: [any_principal]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_pub_011

import rego.v1

violations contains {"address": doc.address, "field": "any_principal", "message": "its policy lets any principal in"} if {
	some doc in input.documents
	doc.any_principal == true
}
