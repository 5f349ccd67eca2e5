# METADATA
# title: Image without a fixed version
# description: >-
#   An image named latest, or not at all, is another image tomorrow: no rollback, no two equal pods.
# custom:
#   id: DY-K8S-007
#   severity: medium
#   mend: >-
#     Name a version, or better the digest.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     moving_tags: [latest, stable, edge, master, main]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_007

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	is_string(container.image)
	floating(container.image)
	message := sprintf("container %s of %s runs %s", [container.name, k8s.name(doc), container.image])
}

# A colon before the last slash is a registry's port, not a tag.
floating(image) if not contains(last_part(image), ":")

floating(image) if split(last_part(image), ":")[1] in input.parameters.moving_tags

last_part(image) := parts[count(parts) - 1] if parts := split(image, "/")
