# METADATA
# title: Default namespace used
# description: >-
#   Quotas, network policies and rights are given by namespace.
# custom:
#   id: DY-K8S-024
#   severity: low
#   mend: >-
#     Give the application a namespace.
#   kinds: [kubernetes_object]
#   reads: [manifest.metadata.namespace]
#   controls: [CIS Kubernetes 1.11.1 5.6.4]
package duoyun.rules.dy_k8s_024

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.metadata.namespace", "message": message} if {
	some doc in input.documents
	doc.manifest.metadata.namespace == "default"
	not doc.manifest.metadata.name in {"default", "kubernetes"}
	message := sprintf("%s is in the default namespace", [k8s.name(doc)])
}
