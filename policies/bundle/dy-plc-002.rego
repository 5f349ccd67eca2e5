# METADATA
# title: Too few clouds
# description: >-
#   Clouds fail as a whole too: by their sign-in, their control plane or their bill. One is enough
#   until more are asked for.
# custom:
#   id: DY-PLC-002
#   severity: medium
#   mend: >-
#     Add placement.spread over cloud.
#   kinds: [service_placement]
#   parameters:
#     {least_clouds: 1}
#   reads: [public, sites]
#   controls: [GB/T 22239-2019 8.1.2.1]
package duoyun.rules.dy_plc_002

import rego.v1

violations contains {"address": doc.address, "field": "sites", "message": message} if {
	some doc in input.documents
	doc.public == true
	clouds := {site.cloud | some site in doc.sites}
	every cloud in clouds { is_string(cloud) }
	count(clouds) > 0
	count(clouds) < input.parameters.least_clouds
	message := sprintf("it runs on %d cloud(s) of %d wanted", [count(clouds), input.parameters.least_clouds])
}
