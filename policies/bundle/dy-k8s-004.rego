# METADATA
# title: Container may run as root
# description: >-
#   A process that is root in its container is root on the node as soon as it finds a way out.
# custom:
#   id: DY-K8S-004
#   severity: medium
#   mend: >-
#     Set securityContext.runAsNonRoot: true for the pod or each container, and build the image with a
#     user.
#   kinds: [kubernetes_object]
#   wants: {securityContext.runAsNonRoot: true}
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_004

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	pod := k8s.pod(doc)
	some at in k8s.located(doc)
	container := at.container
	not non_root(pod, container)
	message := sprintf("container %s of %s may run as root", [container.name, k8s.name(doc)])
}

# The container's word counts before the pod's.
non_root(_, container) if {
	setting(container, "runAsNonRoot", null) == true
	setting(container, "runAsUser", null) != 0
}

non_root(_, container) if setting(container, "runAsUser", 0) > 0

non_root(pod, container) if {
	setting(container, "runAsNonRoot", null) == null
	setting(container, "runAsUser", null) == null
	pod_non_root(pod)
}

# What is not known yet is reported by the gate, not guessed here.
non_root(pod, container) if {
	some holder in [pod, container]
	k8s.unknown(holder.securityContext)
}

non_root(pod, container) if {
	some holder in [pod, container]
	some field in ["runAsNonRoot", "runAsUser"]
	k8s.unknown(holder.securityContext[field])
}

pod_non_root(pod) if {
	setting(pod, "runAsNonRoot", null) == true
	setting(pod, "runAsUser", null) != 0
}

pod_non_root(pod) if setting(pod, "runAsUser", 0) > 0

setting(holder, field, otherwise) := object.get(k8s.map(holder, "securityContext"), field, otherwise)
