# METADATA
# title: Entry for every host
# description: >-
#   An entry for every host takes what is meant for others that share the address.
# custom:
#   id: DY-K8S-027
#   severity: low
#   mend: >-
#     Name the host.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_027

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.rules", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "Ingress"
	some rule in k8s.list(doc.manifest.spec, "rules")
	is_object(rule)
	not k8s.unknown(rule)
	object.get(rule, "host", "") in {"", "*"}
	message := sprintf("%s answers for every host", [k8s.name(doc)])
}
