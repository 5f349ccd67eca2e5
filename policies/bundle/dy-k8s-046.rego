# METADATA
# title: Port open on every node
# description: >-
#   A node port goes around the load balancer and its certificate, log and firewall.
# custom:
#   id: DY-K8S-046
#   severity: medium
#   mend: >-
#     Use ClusterIP behind an ingress, or a load balancer.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_k8s_046

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.type", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "Service"
	doc.manifest.spec.type == "NodePort"
	message := sprintf("%s opens a port on every node", [k8s.name(doc)])
}
