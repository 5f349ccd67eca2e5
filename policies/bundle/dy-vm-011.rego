# METADATA
# title: Template that is no longer developed
# description: >-
#   New types and settings, such as session tokens for metadata, are missing there.
# custom:
#   id: DY-VM-011
#   severity: low
#   mend: >-
#     Use a launch template.
#   kinds: [instance_group]
#   wants: {legacy_template: false}
#   reads: [legacy_template]
package duoyun.rules.dy_vm_011

import rego.v1

violations contains {"address": doc.address, "field": "legacy_template", "message": "it is made from a kind of template that is no longer developed"} if {
	some doc in input.documents
	doc.legacy_template == true
}
