# METADATA
# title: Right to read all secrets
# description: >-
#   One token then opens everything.
# custom:
#   id: DY-K8S-038
#   severity: medium
#   mend: >-
#     Use a Role in the namespace, with resourceNames.
#   kinds: [kubernetes_object]
#   parameters:
#     groups: ['', '*']
#     resources: [secrets]
#     verbs: [get, list, watch, '*']
#   reads: [manifest.rules]
#   controls: [CIS Kubernetes 1.11.1 5.1.2]
package duoyun.rules.dy_k8s_038

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
	message := sprintf("%s may %s %s of every namespace", [k8s.name(doc), verb, resource])
}
