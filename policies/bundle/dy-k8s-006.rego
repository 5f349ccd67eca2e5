# METADATA
# title: Serving container without a readiness probe
# description: >-
#   Without a readiness probe a pod gets traffic before it can answer, and a broken release looks
#   healthy.
# custom:
#   id: DY-K8S-006
#   severity: medium
#   mend: >-
#     Add a readinessProbe that asks the service itself.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_006

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": k8s.path(doc), "message": message} if {
	some doc in input.documents
	doc.manifest.kind in k8s.serving
	some container in k8s.main_containers(doc)
	count(k8s.list(container, "ports")) > 0
	not container.readinessProbe
	message := sprintf("container %s of %s has ports and no readiness probe", [container.name, k8s.name(doc)])
}
