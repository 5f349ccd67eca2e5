# METADATA
# title: Objects that are overwritten are lost
# description: >-
#   A wrong upload, or somebody who encrypts our data for ransom, leaves nothing to go back to.
# custom:
#   id: DY-BAK-004
#   severity: medium
#   mend: >-
#     Switch versioning on, with a rule that ends old versions.
#   kinds: [bucket]
#   wants: {versioning: true}
#   reads: [versioning]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_004

import rego.v1

violations contains {"address": doc.address, "field": "versioning", "message": "it does not keep what is overwritten"} if {
	some doc in input.documents
	doc.versioning == false
}
