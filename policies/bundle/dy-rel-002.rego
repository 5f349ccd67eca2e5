# METADATA
# title: Release with an outage
# description: >-
#   Each release is an outage, and one that fails is a long one.
# custom:
#   id: DY-REL-002
#   severity: low
#   mend: >-
#     Use RollingUpdate, where two versions can run side by side.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec]
package duoyun.rules.dy_rel_002

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.strategy", "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"Deployment"}
	doc.manifest.spec.strategy.type == "Recreate"
	message := sprintf("%s stops all pods before it starts new ones", [k8s.name(doc)])
}
