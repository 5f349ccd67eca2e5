# METADATA
# title: Image from a foreign registry
# description: >-
#   What we did not build or copy, nobody here has looked at. Off until registries (globs over the
#   image's name) are named.
# custom:
#   id: DY-K8S-019
#   severity: high
#   mend: >-
#     Copy the image to a registry of ours.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     registries: []
#   reads: [manifest.spec]
#   controls: [CIS Kubernetes 1.11.1 5.5.1]
package duoyun.rules.dy_k8s_019

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	count(input.parameters.registries) > 0
	is_string(container.image)
	not allowed(container.image)
	message := sprintf("container %s of %s runs %s", [container.name, k8s.name(doc), container.image])
}

allowed(image) if {
	some pattern in input.parameters.registries
	glob.match(pattern, null, image)
}
