# METADATA
# title: Namespace without a network policy
# description: >-
#   Without a policy each pod of every namespace reaches the ones here.
# custom:
#   id: DY-K8S-051
#   severity: low
#   mend: >-
#     Add a NetworkPolicy that denies by default, and those that allow what is needed.
#   kinds: [kubernetes_object]
#   parameters:
#     exempt: [default, kube-node-lease, kube-public, kube-system]
#   reads: [manifest.metadata.name]
#   controls: [CIS Kubernetes 1.11.1 5.3.2]
package duoyun.rules.dy_k8s_051

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest", "message": message} if {
	not something_unsettled
	some doc in input.documents
	doc.manifest.kind == "Namespace"
	name := doc.manifest.metadata.name
	not name in input.parameters.exempt
	not name in guarded
	message := sprintf("no NetworkPolicy stands in namespace %s", [name])
}

guarded contains k8s.namespace(doc) if {
	some doc in input.documents
	doc.manifest.kind == "NetworkPolicy"
}

# A policy that is not known yet may stand in any of them.
something_unsettled if {
	some other in input.documents
	unsettled(other)
}

unsettled(doc) if k8s.unknown(doc.manifest)

unsettled(doc) if {
	doc.manifest.kind == "NetworkPolicy"
	k8s.unknown(k8s.namespace(doc))
}
