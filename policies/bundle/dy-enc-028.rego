# METADATA
# title: Disks of a group not encrypted
# description: >-
#   Disks that come and go with a group leave copies in snapshots and on hardware.
# custom:
#   id: DY-ENC-028
#   severity: high
#   mend: >-
#     Switch encryption on in what the machines are made from.
#   kinds: [instance_group, node_pool]
#   wants: {disk_encrypted: true}
#   apart: true
#   reads: [disk_encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_028

import rego.v1

violations contains {"address": doc.address, "field": "disk_encrypted", "message": "disks of its machines are not encrypted"} if {
	some doc in input.documents
	doc.disk_encrypted == false
}
