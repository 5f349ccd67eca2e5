# METADATA
# title: Right to enter pods
# description: >-
#   A shell in a pod has all that the pod has.
# custom:
#   id: DY-K8S-047
#   severity: medium
#   mend: >-
#     Give it for an incident only.
#   kinds: [kubernetes_object]
#   parameters:
#     groups: ['', '*']
#     resources: [pods/exec, pods/attach]
#     verbs: [create, get, '*']
#   reads: [manifest.rules]
package duoyun.rules.dy_k8s_047

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
