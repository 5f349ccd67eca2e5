# METADATA
# title: Machine's disks under the cloud's own key
# description: >-
#   With the cloud's own key nobody can cut off access to the data.
# custom:
#   id: DY-ENC-030
#   severity: low
#   mend: >-
#     Name a key of the key service for the disks.
#   kinds: [instance, instance_group, node_pool]
#   apart: true
#   reads: [disk_key]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_030

import rego.v1

violations contains {"address": doc.address, "field": "disk_key", "message": "no key of ours encrypts its disks"} if {
	some doc in input.documents
	doc.disk_key == ""
}
