# METADATA
# title: Database not encrypted
# description: >-
#   Backups and disks of a database that is not encrypted are readable wherever they end up.
# custom:
#   id: DY-ENC-003
#   severity: high
#   mend: >-
#     Switch storage encryption on; an existing database is restored from an encrypted snapshot.
#   kinds: [database]
#   wants: {encrypted: true}
#   reads: [encrypted]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_003

import rego.v1

violations contains {"address": doc.address, "field": "encrypted", "message": "its storage is not encrypted"} if {
	some doc in input.documents
	doc.encrypted == false
}
