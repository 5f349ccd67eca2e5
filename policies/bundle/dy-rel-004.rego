# METADATA
# title: Release that may stop everything
# description: >-
#   A rolling update that may take all pods away is an outage by another name.
# custom:
#   id: DY-REL-004
#   severity: medium
#   mend: >-
#     Set maxUnavailable to a quarter or less.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec]
package duoyun.rules.dy_rel_004

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.strategy", "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"Deployment"}
	doc.manifest.spec.strategy.rollingUpdate.maxUnavailable in {"100%", doc.manifest.spec.replicas}
	message := sprintf("%s may stop all of its pods at once", [k8s.name(doc)])
}
