# METADATA
# title: Everything in the cluster given away
# description: >-
#   Whoever has it can read every secret and start anything on every node.
# custom:
#   id: DY-K8S-022
#   severity: high
#   mend: >-
#     Bind a role with what is needed.
#   kinds: [kubernetes_object]
#   parameters:
#     roles: [cluster-admin]
#   reads: [manifest.roleRef, manifest.subjects]
#   controls: [CIS Kubernetes 1.11.1 5.1.1]
package duoyun.rules.dy_k8s_022

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.roleRef", "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"RoleBinding", "ClusterRoleBinding"}
	doc.manifest.roleRef.name in input.parameters.roles
	some subject in k8s.list(doc.manifest, "subjects")
	not startswith(subject.name, "system:")
	message := sprintf("%s gives %s to %v %v", [k8s.name(doc), doc.manifest.roleRef.name, subject.kind, subject.name])
}
