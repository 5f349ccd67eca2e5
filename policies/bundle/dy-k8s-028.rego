# METADATA
# title: Two entries for one host
# description: >-
#   Which of the two gets the traffic is up to the controller, and may change at any time.
# custom:
#   id: DY-K8S-028
#   severity: medium
#   mend: >-
#     Give each host one Ingress.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec.rules]
package duoyun.rules.dy_k8s_028

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.rules", "message": message} if {
	some doc in input.documents
	some host in hosts(doc)
	count(claims[host]) > 1
	message := sprintf("%s is claimed by %s", [host, concat(" and ", sort(claims[host]))])
}

claims[host] contains entry if {
	some doc in input.documents
	some host in hosts(doc)
	entry := sprintf("%s/%s", [k8s.namespace(doc), doc.manifest.metadata.name])
}

hosts(doc) := {rule.host | some rule in k8s.list(doc.manifest.spec, "rules"); is_string(rule.host)} if doc.manifest.kind == "Ingress"
