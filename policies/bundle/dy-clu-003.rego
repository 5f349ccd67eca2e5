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

import data.duoyun.lib.versions
import rego.v1

violations contains {"address": doc.address, "field": "version", "message": message} if {
	some doc in input.documents
	versions.older(doc.version, input.parameters.oldest)
	message := sprintf("version %s is older than %s", [doc.version, input.parameters.oldest])
}
