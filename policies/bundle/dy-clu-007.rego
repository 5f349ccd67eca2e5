# METADATA
# title: Cluster that cannot hold pods apart
# description: >-
#   Each pod reaches each other one; one that is taken over reaches all.
# custom:
#   id: DY-CLU-007
#   severity: medium
#   mend: >-
#     Choose a network plugin with network policies.
#   kinds: [cluster]
#   wants: {network_policy: true}
#   reads: [network_policy]
#   controls: [GB/T 22239-2019 8.1.2.1, CIS Kubernetes 1.11.1 5.3.1]
package duoyun.rules.dy_clu_007

import rego.v1

violations contains {"address": doc.address, "field": "network_policy", "message": "network policies have no effect in it"} if {
	some doc in input.documents
	doc.network_policy == false
}
