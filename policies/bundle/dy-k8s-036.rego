# METADATA
# title: Process files of the node unmasked
# description: >-
#   Paths of /proc that are masked for good reasons can be written to.
# custom:
#   id: DY-K8S-036
#   severity: medium
#   mend: >-
#     Take procMount out.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_036

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	container.securityContext.procMount == "Unmasked"
	message := sprintf("container %s of %s sees /proc unmasked", [container.name, k8s.name(doc)])
}
