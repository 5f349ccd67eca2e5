# METADATA
# title: Data store open to every customer of the cloud
# description: >-
#   The switch that lets in the cloud's own services lets in the machines of all its customers.
# custom:
#   id: DY-NET-012
#   severity: high
#   mend: >-
#     Take the rule out and name the subnets, or use a private endpoint.
#   kinds: [database, cache]
#   wants: {any_cloud_customer: false}
#   apart: true
#   stage: network
#   reads: [any_cloud_customer]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_net_012

import rego.v1

violations contains {"address": doc.address, "field": "any_cloud_customer", "message": "every customer of the cloud may connect"} if {
	some doc in input.documents
	doc.any_cloud_customer == true
}
