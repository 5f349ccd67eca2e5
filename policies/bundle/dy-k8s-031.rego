# METADATA
# title: Workload with a single replica
# description: >-
#   One replica means an outage with every node update and every crash.
# custom:
#   id: DY-K8S-031
#   severity: low
#   mend: >-
#     Ask for two replicas or more.
#   kinds: [kubernetes_object]
#   parameters:
#     {least: 2}
#   reads: [manifest.spec.replicas]
#   controls: [GB/T 22239-2019 8.1.2.1]
package duoyun.rules.dy_k8s_031

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.replicas", "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"Deployment", "StatefulSet"}
	replicas := object.get(doc.manifest.spec, "replicas", 1)
	replicas > 0
	replicas < input.parameters.least
	message := sprintf("%s has %d replica", [k8s.name(doc), replicas])
}
