# METADATA
# title: Metadata without a session token
# description: >-
#   One request forged through an application on it (SSRF) hands out the machine's identity.
# custom:
#   id: DY-VM-004
#   severity: high
#   mend: >-
#     Demand session tokens, or switch the metadata service off.
#   kinds: [instance, instance_group, managed_service]
#   wants: {imds_v2_only: true}
#   apart: true
#   reads: [imds_v2_only]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_vm_004

import rego.v1

violations contains {"address": doc.address, "field": "imds_v2_only", "message": "its metadata service answers without a session token"} if {
	some doc in input.documents
	doc.imds_v2_only == false
}
