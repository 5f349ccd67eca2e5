# METADATA
# title: Access point open to strangers
# description: >-
#   Strangers can put there what our services will read.
# custom:
#   id: DY-PUB-020
#   severity: high
#   mend: >-
#     Take the public grant out.
#   kinds: [managed_service]
#   wants: {public_write: false}
#   reads: [public_write]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_pub_020

import rego.v1

violations contains {"address": doc.address, "field": "public_write", "message": "anybody may write to it"} if {
	some doc in input.documents
	doc.public_write == true
}
