# METADATA
# title: Pod in the namespaces of its node
# description: >-
#   With the host's network, process or IPC namespace a pod sees what its neighbours and the node do.
# custom:
#   id: DY-K8S-002
#   severity: high
#   mend: >-
#     Take hostNetwork, hostPID and hostIPC out.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     allowed: []
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_002

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": sprintf("%s.%s", [k8s.path(doc), field]), "message": message} if {
	some doc in input.documents
	pod := k8s.pod(doc)
	some field in ["hostNetwork", "hostPID", "hostIPC"]
	pod[field] == true
	not field in input.parameters.allowed
	message := sprintf("%s uses %s", [k8s.name(doc), field])
}
