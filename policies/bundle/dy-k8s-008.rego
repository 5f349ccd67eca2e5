# METADATA
# title: Dangerous capability added
# description: >-
#   Capabilities such as SYS_ADMIN or NET_ADMIN are most of root under another name.
# custom:
#   id: DY-K8S-008
#   severity: high
#   mend: >-
#     Drop ALL, and add only what the process cannot do without.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     allowed: [NET_BIND_SERVICE]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_008

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	some capability in k8s.list(container.securityContext.capabilities, "add")
	is_string(capability)
	plain := trim_prefix(upper(capability), "CAP_")
	not plain in input.parameters.allowed
	message := sprintf("container %s of %s adds %s", [container.name, k8s.name(doc), plain])
}
