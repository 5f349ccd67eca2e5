# METADATA
# title: Secret in a ConfigMap
# description: >-
#   ConfigMaps are not encrypted, and many roles may read them.
# custom:
#   id: DY-K8S-030
#   severity: high
#   mend: >-
#     Use a Secret, filled by the secret store.
#   kinds: [kubernetes_object]
#   parameters:
#     names: ['(?i)(^|[_.-])(password|passwd|secret|token|api_?key|access_?key|private_?key)$']
#     values: ['-----BEGIN [A-Z ]*PRIVATE KEY-----', '\b(AKIA|ASIA|LTAI)[A-Za-z0-9]{12,}']
#     harmless: ^([a-z]+://|/|[$][{(]|(true|false|[0-9]+)$)
#     shortest: 6
#   reads: [manifest.data]
package duoyun.rules.dy_k8s_030

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.data", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "ConfigMap"
	some key, value in k8s.map(doc.manifest, "data")
	is_string(value)
	telling(key, value)
	message := sprintf("%s holds %s", [k8s.name(doc), key])
}

telling(key, value) if {
	some pattern in input.parameters.names
	regex.match(pattern, key)
	count(value) >= input.parameters.shortest
	not regex.match(input.parameters.harmless, value)
}

telling(_, value) if {
	some pattern in input.parameters.values
	regex.match(pattern, value)
}
