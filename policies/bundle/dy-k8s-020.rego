# METADATA
# title: Token of the cluster mounted unasked
# description: >-
#   Few programs speak to the cluster; whoever takes one over has its token.
# custom:
#   id: DY-K8S-020
#   severity: low
#   mend: >-
#     Set automountServiceAccountToken: false.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
#   controls: [CIS Kubernetes 1.11.1 5.1.6]
package duoyun.rules.dy_k8s_020

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": k8s.path(doc), "message": message} if {
	some doc in input.documents
	pod := k8s.pod(doc)
	object.get(pod, "automountServiceAccountToken", true) == true
	message := sprintf("%s mounts a token for the cluster's API", [k8s.name(doc)])
}
