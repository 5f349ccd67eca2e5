# METADATA
# title: Container without requests or memory limit
# description: >-
#   Without requests the scheduler guesses; without a memory limit one leak takes the node's other pods
#   with it.
# custom:
#   id: DY-K8S-005
#   severity: medium
#   mend: >-
#     Set resources.requests.cpu, resources.requests.memory and resources.limits.memory.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     fields: [requests.cpu, requests.memory, limits.memory]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_005

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	contains(at.path, ".containers[")
	container := at.container
	some field in input.parameters.fields
	[section, resource] := split(field, ".")
	object.get(k8s.map(k8s.map(container, "resources"), section), resource, null) == null
	message := sprintf("container %s of %s has no resources.%s", [container.name, k8s.name(doc), field])
}
