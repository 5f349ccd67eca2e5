# METADATA
# title: Tiller deployed
# description: >-
#   Helm 2's server has every right in the cluster and asks nobody who he is.
# custom:
#   id: DY-K8S-034
#   severity: high
#   mend: >-
#     Use Helm 3, which has no server.
#   kinds: [kubernetes_object]
#   parameters:
#     images: ['(^|/)tiller(:|@|$)']
#     labels: {name: tiller}
#   reads: [manifest.spec, manifest.metadata.labels]
package duoyun.rules.dy_k8s_034

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest", "message": message} if {
	some doc in input.documents
	some container in k8s.containers(doc)
	is_string(container.image)
	some pattern in input.parameters.images
	regex.match(pattern, container.image)
	message := sprintf("%s runs %s", [k8s.name(doc), container.image])
}

violations contains {"address": doc.address, "field": "manifest.metadata.labels", "message": message} if {
	some doc in input.documents
	some key, value in input.parameters.labels
	k8s.labels(doc)[key] == value
	message := sprintf("%s is part of %s", [k8s.name(doc), value])
}
