# METADATA
# title: Secrets of the cluster not encrypted by a key
# description: >-
#   Without envelope encryption a backup of the cluster's data store holds its secrets in the clear.
# custom:
#   id: DY-CLU-001
#   severity: medium
#   mend: >-
#     Encrypt secrets with a key of the cloud's key service (secrets_encrypted: true).
#   kinds: [cluster]
#   wants: {secrets_encrypted: true}
#   reads: [secrets_encrypted]
package duoyun.rules.dy_clu_001

import rego.v1

violations contains {"address": doc.address, "field": "secrets_encrypted", "message": "its secrets are not encrypted with a key of ours"} if {
	some doc in input.documents
	doc.secrets_encrypted == false
}
