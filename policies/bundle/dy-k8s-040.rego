# METADATA
# title: Windows container with its host's rights
# description: >-
#   Such a container has the rights of its node.
# custom:
#   id: DY-K8S-040
#   severity: high
#   mend: >-
#     Take windowsOptions.hostProcess out.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
#   controls: [CIS Kubernetes 1.11.1 5.2.11]
package duoyun.rules.dy_k8s_040

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	some holder in [container, k8s.pod(doc)]
	holder.securityContext.windowsOptions.hostProcess == true
	message := sprintf("container %s of %s is a HostProcess container", [container.name, k8s.name(doc)])
}
