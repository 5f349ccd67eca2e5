# METADATA
# title: Machine template with disks in the clear
# description: >-
#   Each machine made from it inherits the fault.
# custom:
#   id: DY-ENC-029
#   severity: high
#   mend: >-
#     Switch encryption on for every disk of the template.
#   kinds: [managed_service]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_029

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "machines made from it have disks that are not encrypted"} if {
	some doc in input.documents
	doc.class == "launch_template"
	doc.encrypted == false
}
