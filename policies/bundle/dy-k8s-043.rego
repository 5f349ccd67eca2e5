# METADATA
# title: Default service account in use
# description: >-
#   A pod that names no account gets this one; rights given to it are given to all.
# custom:
#   id: DY-K8S-043
#   severity: low
#   mend: >-
#     Set automountServiceAccountToken: false on it; give each workload its own account.
#   kinds: [kubernetes_object]
#   reads: [manifest.automountServiceAccountToken]
#   controls: [CIS Kubernetes 1.11.1 5.1.5]
package duoyun.rules.dy_k8s_043

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.automountServiceAccountToken", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "ServiceAccount"
	doc.manifest.metadata.name == "default"
	object.get(doc.manifest, "automountServiceAccountToken", true) == true
	message := sprintf("the default service account of %s gives its token to every pod", [k8s.namespace(doc)])
}
