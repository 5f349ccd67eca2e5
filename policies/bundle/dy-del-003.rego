# METADATA
# title: Service that one call deletes
# description: >-
#   One wrong name in a script and it is gone.
# custom:
#   id: DY-DEL-003
#   severity: low
#   mend: >-
#     Switch deletion protection on.
#   kinds: [managed_service, cluster]
#   wants: {deletion_protection: true}
#   apart: true
#   reads: [deletion_protection]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_del_003

import rego.v1

violations contains {"address": doc.address, "field": "deletion_protection", "message": "it can be deleted by a single call"} if {
	some doc in input.documents
	doc.deletion_protection == false
}
