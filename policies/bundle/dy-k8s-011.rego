# METADATA
# title: Port of the node taken
# description: >-
#   A port of the node goes around services and network policies, and keeps a second pod off the
#   node.
# custom:
#   id: DY-K8S-011
#   severity: medium
#   mend: >-
#     Take hostPort out and use a Service.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     least_port: 0
#     most_port: 0
#     exempt_images: []
#   reads: [manifest.spec]
#   controls: [CIS Kubernetes 1.11.1 5.2.13]
package duoyun.rules.dy_k8s_011

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	some port in k8s.list(container, "ports")
	is_number(port.hostPort)
	port.hostPort > 0
	not within(port.hostPort)
	not k8s.exempt(container, input.parameters.exempt_images)
	message := sprintf("container %s of %s takes port %d of its node", [container.name, k8s.name(doc), port.hostPort])
}

within(port) if {
	port >= input.parameters.least_port
	port <= input.parameters.most_port
}
