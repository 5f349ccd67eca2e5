# METADATA
# title: No limit of processor time
# description: >-
#   One container that spins takes the time that others were not promised.
# custom:
#   id: DY-K8S-015
#   severity: low
#   mend: >-
#     Set resources.limits.cpu, where latency allows it.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_015

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	object.get(k8s.map(k8s.map(container, "resources"), "limits"), "cpu", null) == null
	not k8s.unknown(object.get(container, "resources", null))
	not k8s.unknown(object.get(container, ["resources", "limits"], null))
	message := sprintf("container %s of %s has no resources.limits.cpu", [container.name, k8s.name(doc)])
}
