# METADATA
# title: Right to speak to nodes
# description: >-
#   The kubelet's API runs commands in every pod of the node, past admission and audit.
# custom:
#   id: DY-K8S-049
#   severity: medium
#   mend: >-
#     Take it out of the role.
#   kinds: [kubernetes_object]
#   parameters:
#     groups: ['', '*']
#     resources: [nodes/proxy]
#     verbs: [get, create, '*']
#   reads: [manifest.rules]
#   controls: [CIS Kubernetes 1.11.1 5.1.10]
package duoyun.rules.dy_k8s_049

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": sprintf("manifest.rules[%d]", [n]), "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "ClusterRole"
	some n, rule in k8s.list(doc.manifest, "rules")
	some group in k8s.list(rule, "apiGroups")
	group in input.parameters.groups
	some resource in k8s.list(rule, "resources")
	resource in input.parameters.resources
	some verb in k8s.list(rule, "verbs")
	verb in input.parameters.verbs
	message := sprintf("%s may %s %s", [k8s.name(doc), verb, resource])
}
