# METADATA
# title: No seccomp profile
# description: >-
#   Without a profile a process may make every system call, those with known holes included.
# custom:
#   id: DY-K8S-013
#   severity: low
#   mend: >-
#     Set securityContext.seccompProfile.type: RuntimeDefault.
#   kinds: [kubernetes_object]
#   wants: {securityContext.seccompProfile.type: RuntimeDefault}
#   objects: [pods]
#   reads: [manifest.spec]
#   controls: [CIS Kubernetes 1.11.1 5.6.2]
package duoyun.rules.dy_k8s_013

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	not k8s.unsettled(doc, container, "seccompProfile")
	profile := k8s.setting(doc, container, "seccompProfile", {})
	not settled(profile)
	message := sprintf("container %s of %s runs without a seccomp profile", [container.name, k8s.name(doc)])
}

settled(profile) if object.get(profile, "type", "Unconfined") != "Unconfined"
