# METADATA
# title: No revision to go back to
# description: >-
#   A release that fails cannot be rolled back by the cluster.
# custom:
#   id: DY-REL-001
#   severity: medium
#   mend: >-
#     Take revisionHistoryLimit out, or set it to 2 or more.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec]
package duoyun.rules.dy_rel_001

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.revisionHistoryLimit", "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"Deployment", "StatefulSet"}
	doc.manifest.spec.revisionHistoryLimit == 0
	message := sprintf("%s keeps no former revision", [k8s.name(doc)])
}
