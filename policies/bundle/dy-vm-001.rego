# METADATA
# title: Unencrypted disk
# description: >-
#   A disk that is not encrypted gives its data to whoever gets hold of a snapshot or the hardware.
# custom:
#   id: DY-VM-001
#   severity: high
#   mend: >-
#     Set disk_encrypted: true.
#   kinds: [instance]
#   wants: {disk_encrypted: true}
#   reads: [disk_encrypted]
package duoyun.rules.dy_vm_001

import rego.v1

violations contains {"address": doc.address, "field": "disk_encrypted", "message": "its disk is not encrypted"} if {
	some doc in input.documents
	doc.disk_encrypted == false
}
