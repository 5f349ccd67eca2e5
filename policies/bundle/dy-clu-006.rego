# METADATA
# title: Cluster without roles
# description: >-
#   Without roles whoever gets in may do everything.
# custom:
#   id: DY-CLU-006
#   severity: high
#   mend: >-
#     Switch RBAC on; it is set when the cluster is made.
#   kinds: [cluster]
#   wants: {rbac: true}
#   reads: [rbac]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_clu_006

import rego.v1

violations contains {"address": doc.address, "field": "rbac", "message": "role-based access is off"} if {
	some doc in input.documents
	doc.rbac == false
}
