# METADATA
# title: Secret given through the environment
# description: >-
#   The environment is seen by child processes, crash dumps and debug pages; a file is not.
# custom:
#   id: DY-K8S-029
#   severity: info
#   mend: >-
#     Mount the secret as a file.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
#   controls: [CIS Kubernetes 1.11.1 5.4.1]
package duoyun.rules.dy_k8s_029

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	some variable in k8s.list(container, "env")
	variable.valueFrom.secretKeyRef
	message := sprintf("container %s of %s gets %s from a secret", [container.name, k8s.name(doc), variable.name])
}
