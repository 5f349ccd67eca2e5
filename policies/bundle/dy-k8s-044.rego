# METADATA
# title: Low user number
# description: >-
#   A low number may be that of a user of the node, whose files then are the process's.
# custom:
#   id: DY-K8S-044
#   severity: info
#   mend: >-
#     Set securityContext.runAsUser to 10000 or more.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     {least: 10000, otherwise: 0}
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_044

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	number := k8s.setting(doc, container, "runAsUser", input.parameters.otherwise)
	number < input.parameters.least
	not k8s.unsettled(doc, container, "runAsUser")
	least := input.parameters.least
	message := sprintf("container %s of %s is not told to run with user %d or above", [container.name, k8s.name(doc), least])
}
