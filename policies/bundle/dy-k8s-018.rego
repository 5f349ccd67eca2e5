# METADATA
# title: Image without a digest
# description: >-
#   A tag can be pushed again; only a digest says which bytes run.
# custom:
#   id: DY-K8S-018
#   severity: low
#   mend: >-
#     Write image@sha256:..., as your release tool can.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     exempt_images: []
#   reads: [manifest.spec]
#   controls: [GB/T 22239-2019 8.1.4.6]
package duoyun.rules.dy_k8s_018

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	is_string(container.image)
	not contains(container.image, "@sha256:")
	not k8s.exempt(container, input.parameters.exempt_images)
	message := sprintf("container %s of %s runs %s, which is no digest", [container.name, k8s.name(doc), container.image])
}
