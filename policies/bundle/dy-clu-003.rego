# METADATA
# title: Kubernetes version that is too old
# description: >-
#   A minor version that upstream no longer maintains gets no security fixes.
# custom:
#   id: DY-CLU-003
#   severity: medium
#   mend: >-
#     Upgrade the cluster, one minor version at a time.
#   kinds: [cluster]
#   parameters:
#     oldest: "1.33"
#   reads: [version]
package duoyun.rules.dy_clu_003

import rego.v1

violations contains {"address": doc.address, "field": "version", "message": message} if {
	some doc in input.documents
	is_string(doc.version)
	minor(doc.version) < minor(input.parameters.oldest)
	message := sprintf("version %s is older than %s", [doc.version, input.parameters.oldest])
}

minor(version) := (to_number(parts[0]) * 1000) + to_number(parts[1]) if parts := split(version, ".")
