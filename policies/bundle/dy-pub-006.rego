# METADATA
# title: Bucket policy that lets in anybody
# description: >-
#   A policy for everybody is a public bucket by another name.
# custom:
#   id: DY-PUB-006
#   severity: critical
#   mend: >-
#     Name the principals that need it, or add a condition that says which account or network they
#     come from.
#   kinds: [bucket]
#   reads: [any_principal]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_pub_006

import rego.v1

violations contains {"address": doc.address, "field": "any_principal", "message": "its policy lets any principal in"} if {
	some doc in input.documents
	doc.any_principal == true
}
