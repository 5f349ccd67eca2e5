# METADATA
# title: Privilege escalation not ruled out
# description: >-
#   A set-uid program in the image can give a process more than it started with.
# custom:
#   id: DY-K8S-009
#   severity: low
#   mend: >-
#     Set securityContext.allowPrivilegeEscalation: false.
#   kinds: [kubernetes_object]
#   wants: {securityContext.allowPrivilegeEscalation: false}
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_009

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	not ruled_out(container)
	message := sprintf("container %s of %s may gain privileges", [container.name, k8s.name(doc)])
}

ruled_out(container) if k8s.unknown(container.securityContext)

ruled_out(container) if k8s.unknown(container.securityContext.allowPrivilegeEscalation)

ruled_out(container) if container.securityContext.allowPrivilegeEscalation == false
