# METADATA
# title: Stored data not encrypted
# description: >-
#   Files, indexes, backups and images that are not encrypted are readable wherever their disks end
#   up.
# custom:
#   id: DY-ENC-007
#   severity: high
#   mend: >-
#     Switch encryption at rest on; most services only take it when they are made.
#   kinds: [managed_service]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_007

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "what it keeps is not encrypted"} if {
	some doc in input.documents
	doc.class in {"file_system", "search", "time_series", "analytics_workspace", "backup_vault", "snapshot", "machine_image", "query_service", "ml_workspace"}
	doc.encrypted == false
}
