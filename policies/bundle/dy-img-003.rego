# METADATA
# title: Unsigned code or images may run
# description: >-
#   Whoever gets at the place where they are kept decides what runs.
# custom:
#   id: DY-IMG-003
#   severity: low
#   mend: >-
#     Demand signatures.
#   kinds: [managed_service, registry]
#   wants: {signed: true}
#   apart: true
#   reads: [signed]
#   controls: [GB/T 22239-2019 8.1.4.6]
package duoyun.rules.dy_img_003

import rego.v1

violations contains {"address": doc.address, "field": "signed", "message": "unsigned code or images are accepted"} if {
	some doc in input.documents
	doc.signed == false
}
