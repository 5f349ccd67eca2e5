# METADATA
# title: Network policy that lets in everybody
# description: >-
#   A policy that lets in everybody holds nothing apart and looks as if it did.
# custom:
#   id: DY-K8S-050
#   severity: medium
#   mend: >-
#     Name the pods, namespaces or blocks that need it.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_k8s_050

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.ingress", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "NetworkPolicy"
	some rule in k8s.list(doc.manifest.spec, "ingress")
	is_object(rule)
	not k8s.unknown(rule)
	not k8s.unknown(object.get(rule, "from", null))
	everybody(rule)
	message := sprintf("%s lets in everybody", [k8s.name(doc)])
}

everybody(rule) if count(k8s.list(rule, "from")) == 0

everybody(rule) if {
	some peer in k8s.list(rule, "from")
	peer.ipBlock.cidr in {"0.0.0.0/0", "::/0"}
	count(k8s.list(peer.ipBlock, "except")) == 0
}
