# METADATA
# title: Required label missing
# description: >-
#   Labels say who answers for an object. Off until labels ({key, allowed: pattern}) are named.
# custom:
#   id: DY-TAG-006
#   severity: low
#   mend: >-
#     Add the label.
#   kinds: [kubernetes_object]
#   parameters:
#     labels: []
#   reads: [manifest.metadata.labels]
package duoyun.rules.dy_tag_006

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.metadata.labels", "message": message} if {
	some doc in input.documents
	some wanted in input.parameters.labels
	not k8s.unknown(object.get(doc, ["manifest", "metadata", "labels"], null))
	value := object.get(k8s.labels(doc), wanted.key, null)
	lacking(value, object.get(wanted, "allowed", ".*"))
	message := sprintf("%s has no label %s that fits", [k8s.name(doc), wanted.key])
}

lacking(value, _) if value == null

lacking(value, pattern) if {
	is_string(value)
	not regex.match(pattern, value)
}
