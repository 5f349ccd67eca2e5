# METADATA
# title: Right to raise one's own rights
# description: >-
#   With these verbs a small account becomes an administrator.
# custom:
#   id: DY-K8S-039
#   severity: high
#   mend: >-
#     Take them out of the role.
#   kinds: [kubernetes_object]
#   parameters:
#     groups: [rbac.authorization.k8s.io, '', authentication.k8s.io, '*']
#     resources: [roles, clusterroles, rolebindings, clusterrolebindings, users, groups, serviceaccounts]
#     verbs: [escalate, bind, impersonate]
#   reads: [manifest.rules]
#   controls: [CIS Kubernetes 1.11.1 5.1.8]
package duoyun.rules.dy_k8s_039

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": sprintf("manifest.rules[%d]", [n]), "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"Role", "ClusterRole"}
	some n, rule in k8s.list(doc.manifest, "rules")
	some group in k8s.list(rule, "apiGroups")
	group in input.parameters.groups
	some resource in k8s.list(rule, "resources")
	resource in input.parameters.resources
	some verb in k8s.list(rule, "verbs")
	verb in input.parameters.verbs
	message := sprintf("%s may %s %s", [k8s.name(doc), verb, resource])
}
