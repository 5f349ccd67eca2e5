# METADATA
# title: Metadata that travels on
# description: >-
#   Containers on the machine get its identity.
# custom:
#   id: DY-VM-005
#   severity: medium
#   mend: >-
#     Set the hop limit to 1.
#   kinds: [instance, instance_group, managed_service]
#   wants: {imds_hop_limit: most_hops}
#   apart: true
#   parameters:
#     {most_hops: 1}
#   reads: [imds_hop_limit]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_vm_005

import rego.v1

violations contains {"address": doc.address, "field": "imds_hop_limit", "message": message} if {
	some doc in input.documents
	is_number(doc.imds_hop_limit)
	doc.imds_hop_limit > input.parameters.most_hops
	message := sprintf("its metadata answers may travel %d hops", [doc.imds_hop_limit])
}
