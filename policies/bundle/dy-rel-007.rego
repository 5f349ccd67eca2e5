# METADATA
# title: Release that waits for a hand
# description: >-
#   Half of the pods run the old version until somebody remembers, and a roll-back does nothing.
# custom:
#   id: DY-REL-007
#   severity: low
#   mend: >-
#     Use RollingUpdate.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec]
package duoyun.rules.dy_rel_007

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.updateStrategy", "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"StatefulSet", "DaemonSet"}
	doc.manifest.spec.updateStrategy.type == "OnDelete"
	message := sprintf("%s changes only pods that somebody deletes", [k8s.name(doc)])
}
