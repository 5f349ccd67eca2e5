# METADATA
# title: Old things are kept for ever
# description: >-
#   Old images and objects cost money, and hold data that should be gone.
# custom:
#   id: DY-CST-003
#   severity: low
#   mend: >-
#     Add a rule that ends them.
#   kinds: [registry, bucket, managed_service]
#   apart: true
#   reads: [cleans_up]
#   controls: [GB/T 22239-2019 8.1.4.10]
package duoyun.rules.dy_cst_003

import rego.v1

violations contains {"address": doc.address, "field": "cleans_up", "message": "nothing ends what nobody uses any more"} if {
	some doc in input.documents
	doc.cleans_up == false
}
