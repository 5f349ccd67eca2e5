# METADATA
# title: Processes shared within a pod
# description: >-
#   A sidecar then reads the memory and files of the container beside it.
# custom:
#   id: DY-K8S-052
#   severity: low
#   mend: >-
#     Take shareProcessNamespace out.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_052

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": k8s.path(doc), "message": message} if {
	some doc in input.documents
	k8s.pod(doc).shareProcessNamespace == true
	message := sprintf("the containers of %s see one another's processes", [k8s.name(doc)])
}
