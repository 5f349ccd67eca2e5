# METADATA
# title: Role with wildcards
# description: >-
#   A wildcard also covers what the cluster learns tomorrow.
# custom:
#   id: DY-K8S-021
#   severity: high
#   mend: >-
#     Name the verbs, the resources and their groups.
#   kinds: [kubernetes_object]
#   reads: [manifest.rules]
#   controls: [CIS Kubernetes 1.11.1 5.1.3]
package duoyun.rules.dy_k8s_021

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": sprintf("manifest.rules[%d]", [n]), "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"Role", "ClusterRole"}
	some n, rule in k8s.list(doc.manifest, "rules")
	some field in ["verbs", "resources", "apiGroups"]
	"*" in k8s.list(rule, field)
	message := sprintf("%s has the wildcard * in %s", [k8s.name(doc), field])
}
