# METADATA
# title: Queue or topic open to anybody
# description: >-
#   Strangers can read what services tell one another, or make them act on forged messages.
# custom:
#   id: DY-PUB-010
#   severity: high
#   mend: >-
#     Name the principals, or add a condition that says which account or source they come from.
#   kinds: [queue]
#   wants: {public: false}
#   reads: [public]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_pub_010

import rego.v1

violations contains {"address": doc.address, "field": "public", "message": "its policy lets any principal in"} if {
	some doc in input.documents
	doc.public == true
}
