# METADATA
# title: Service that claims foreign addresses
# description: >-
#   With externalIPs a service takes traffic that is meant for others (CVE-2020-8554).
# custom:
#   id: DY-K8S-025
#   severity: high
#   mend: >-
#     Take externalIPs out; use a load balancer.
#   kinds: [kubernetes_object]
#   parameters:
#     allowed: []
#   reads: [manifest.spec]
#   controls: [GB/T 22239-2019 8.1.3.1]
package duoyun.rules.dy_k8s_025

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.externalIPs", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "Service"
	some ip in k8s.list(doc.manifest.spec, "externalIPs")
	is_string(ip)
	not ip in input.parameters.allowed
	message := sprintf("%s claims the address %v", [k8s.name(doc), ip])
}
