# METADATA
# title: Public access not ruled out
# description: >-
#   One careless grant publishes a bucket; the block makes that grant have no effect.
# custom:
#   id: DY-PUB-005
#   severity: high
#   mend: >-
#     Switch all parts of the public access block on.
#   kinds: [bucket, managed_service]
#   apart: true
#   parameters:
#     parts: []
#   reads: [public_access_blocked]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_pub_005

import rego.v1

violations contains {"address": doc.address, "field": "public_access_blocked", "message": "nothing keeps a later grant from making it public"} if {
	some doc in input.documents
	doc.public_access_blocked == false
	not enough(doc)
}

# The parts that are asked for, where not all of them are.
enough(doc) if {
	count(input.parameters.parts) > 0
	every part in input.parameters.parts {
		held(doc[part])
	}
}

held(given) if given == true

held(given) if given["$unknown"] == true
