# METADATA
# title: Serving container without a liveness probe
# description: >-
#   A process that hangs is not started again.
# custom:
#   id: DY-K8S-017
#   severity: low
#   mend: >-
#     Add a livenessProbe that asks only the process itself.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_017

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": k8s.path(doc), "message": message} if {
	some doc in input.documents
	doc.manifest.kind in k8s.serving
	some container in k8s.main_containers(doc)
	count(k8s.list(container, "ports")) > 0
	not container.livenessProbe
	message := sprintf("container %s of %s has ports and no liveness probe", [container.name, k8s.name(doc)])
}
