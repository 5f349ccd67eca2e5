# METADATA
# title: Host path mounted
# description: >-
#   A path of the node mounted into a pod is a way out of it, and ties it to that node.
# custom:
#   id: DY-K8S-003
#   severity: high
#   mend: >-
#     Use a persistent volume, an emptyDir or a projected volume.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_003

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": sprintf("%s.volumes[%d]", [k8s.path(doc), n]), "message": message} if {
	some doc in input.documents
	some n, volume in k8s.list(k8s.pod(doc), "volumes")
	path := volume.hostPath.path
	message := sprintf("%s mounts the node's %s", [k8s.name(doc), path])
}
