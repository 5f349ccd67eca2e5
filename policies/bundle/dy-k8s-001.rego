# METADATA
# title: Privileged container
# description: >-
#   A privileged container is root on the node, and from there on every pod of it.
# custom:
#   id: DY-K8S-001
#   severity: critical
#   mend: >-
#     Take securityContext.privileged out; grant the single capability that is needed.
#   kinds: [kubernetes_object]
#   wants: {securityContext.privileged: false}
#   objects: [pods]
#   parameters:
#     exempt_images: []
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_001

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	container.securityContext.privileged == true
	not k8s.exempt(container, input.parameters.exempt_images)
	message := sprintf("container %s of %s is privileged", [container.name, k8s.name(doc)])
}
