# METADATA
# title: Capabilities kept
# description: >-
#   The default set lets a process send raw packets and change owners of files; few need it.
# custom:
#   id: DY-K8S-012
#   severity: low
#   mend: >-
#     Set securityContext.capabilities.drop: [ALL], and add what is needed.
#   kinds: [kubernetes_object]
#   wants: {securityContext.capabilities.drop: [ALL]}
#   objects: [pods]
#   reads: [manifest.spec]
#   controls: [CIS Kubernetes 1.11.1 5.2.10]
package duoyun.rules.dy_k8s_012

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	not k8s.unsettled(doc, container, "capabilities")
	not drops_all(container)
	message := sprintf("container %s of %s does not drop ALL capabilities", [container.name, k8s.name(doc)])
}

drops_all(container) if {
	some capability in k8s.list(container.securityContext.capabilities, "drop")
	is_string(capability)
	upper(capability) == "ALL"
}

drops_all(container) if {
	some capability in k8s.list(container.securityContext.capabilities, "drop")
	k8s.unknown(capability)
}

drops_all(container) if k8s.unknown(container.securityContext.capabilities.drop)
