# METADATA
# title: Right to change admission
# description: >-
#   Whoever changes a webhook reads and changes everything that enters the cluster.
# custom:
#   id: DY-K8S-037
#   severity: high
#   mend: >-
#     Take it out of the role, or keep it to the tool that installs the webhook.
#   kinds: [kubernetes_object]
#   parameters:
#     groups: [admissionregistration.k8s.io, '*']
#     resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations, '*']
#     verbs: [create, update, patch, delete, '*']
#   reads: [manifest.rules]
#   controls: [CIS Kubernetes 1.11.1 5.1.12]
package duoyun.rules.dy_k8s_037

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
