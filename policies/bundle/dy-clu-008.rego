# METADATA
# title: Cluster with accounts of its own
# description: >-
#   A copied kubeconfig of a local administrator never ends.
# custom:
#   id: DY-CLU-008
#   severity: low
#   mend: >-
#     Switch local accounts off.
#   kinds: [cluster]
#   wants: {local_auth: false}
#   reads: [local_auth]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_clu_008

import rego.v1

violations contains {"address": doc.address, "field": "local_auth", "message": "local accounts are on"} if {
	some doc in input.documents
	doc.local_auth == true
}
