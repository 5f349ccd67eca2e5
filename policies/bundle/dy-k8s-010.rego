# METADATA
# title: Secret written into the environment
# description: >-
#   A secret in a manifest stands in every copy of it: the repository, the API, the audit log.
# custom:
#   id: DY-K8S-010
#   severity: high
#   mend: >-
#     Refer to a Secret (valueFrom.secretKeyRef), filled by the secret store.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     names: ["(?i)(^|_)(password|passwd|secret|token|api_?key|access_?key|private_?key)$"]
#     harmless_values: ["^[a-z]+://[^:@/]+(:[0-9]+)?(/|$)", "^/", "^[$][(]", "^(true|false|[0-9]+)$"]
#     shortest: 6
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_010

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	some variable in k8s.list(container, "env")
	is_string(variable.value)
	count(variable.value) >= input.parameters.shortest
	some pattern in input.parameters.names
	regex.match(pattern, variable.name)
	not harmless(variable.value)
	message := sprintf("%s of container %s of %s is a literal", [variable.name, container.name, k8s.name(doc)])
}

harmless(value) if {
	some pattern in input.parameters.harmless_values
	regex.match(pattern, value)
}
