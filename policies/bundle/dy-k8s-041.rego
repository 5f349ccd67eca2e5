# METADATA
# title: Group of volumes outside the range
# description: >-
#   Two pods whose volumes belong to one group can read one another's files. Off until ranges are
#   named.
# custom:
#   id: DY-K8S-041
#   severity: low
#   mend: >-
#     Set fsGroup to a number of the range.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     ranges: []
#     required: false
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_041

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": sprintf("%s.securityContext.fsGroup", [k8s.path(doc)]), "message": message} if {
	some doc in input.documents
	count(input.parameters.ranges) > 0
	group := k8s.pod(doc).securityContext.fsGroup
	is_number(group)
	not within(group)
	message := sprintf("%s gives its volumes to group %d", [k8s.name(doc), group])
}

violations contains {"address": doc.address, "field": sprintf("%s.securityContext", [k8s.path(doc)]), "message": message} if {
	some doc in input.documents
	input.parameters.required == true
	pod := k8s.pod(doc)
	not k8s.unknown(object.get(pod, "securityContext", null))
	not pod.securityContext.fsGroup
	message := sprintf("%s names no group for its volumes", [k8s.name(doc)])
}

within(group) if {
	some range in input.parameters.ranges
	group >= range.min
	group <= range.max
}
