# METADATA
# title: Rollout that never gives up
# description: >-
#   What never fails is never rolled back.
# custom:
#   id: DY-REL-008
#   severity: low
#   mend: >-
#     Set progressDeadlineSeconds to some minutes.
#   kinds: [kubernetes_object]
#   parameters:
#     {most_s: 3600}
#   reads: [manifest.spec]
package duoyun.rules.dy_rel_008

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.progressDeadlineSeconds", "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"Deployment"}
	is_number(doc.manifest.spec.progressDeadlineSeconds)
	doc.manifest.spec.progressDeadlineSeconds > input.parameters.most_s
	message := sprintf("%s waits %d s before a rollout counts as failed", [k8s.name(doc), doc.manifest.spec.progressDeadlineSeconds])
}
