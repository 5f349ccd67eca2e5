# METADATA
# title: No time to finish
# description: >-
#   Requests under way fail with every release.
# custom:
#   id: DY-REL-005
#   severity: low
#   mend: >-
#     Set terminationGracePeriodSeconds to what the longest request takes.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   reads: [manifest.spec]
package duoyun.rules.dy_rel_005

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": k8s.path(doc), "message": message} if {
	some doc in input.documents
	k8s.pod(doc).terminationGracePeriodSeconds == 0
	message := sprintf("the pods of %s are killed without notice", [k8s.name(doc)])
}
