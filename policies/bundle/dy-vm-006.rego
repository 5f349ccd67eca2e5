# METADATA
# title: Machine that one call deletes
# description: >-
#   One wrong name in a script and it is gone.
# custom:
#   id: DY-VM-006
#   severity: low
#   mend: >-
#     Switch deletion protection on for machines that hold state.
#   kinds: [instance]
#   wants: {deletion_protection: true}
#   reads: [deletion_protection]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_vm_006

import rego.v1

violations contains {"address": doc.address, "field": "deletion_protection", "message": "it can be deleted by a single call"} if {
	some doc in input.documents
	doc.deletion_protection == false
}
