# METADATA
# title: Service data not encrypted
# description: >-
#   What passes through a service stays on its disks for a while: artefacts, results, caches.
# custom:
#   id: DY-ENC-008
#   severity: medium
#   mend: >-
#     Switch encryption at rest on.
#   kinds: [managed_service]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_008

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "what it keeps is not encrypted"} if {
	some doc in input.documents
	not doc.class in {"file_system", "search", "time_series", "analytics_workspace", "backup_vault", "snapshot", "machine_image", "query_service", "ml_workspace", "account_setting", "launch_template"}
	doc.encrypted == false
}
