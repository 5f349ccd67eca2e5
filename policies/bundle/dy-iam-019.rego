# METADATA
# title: Shared keys accepted
# description: >-
#   A shared key tells nothing about who used it, and leaves with each person who knew it.
# custom:
#   id: DY-IAM-019
#   severity: medium
#   mend: >-
#     Switch local authentication off; use the cloud's identities.
#   kinds: [database, cache, queue, bucket, managed_service]
#   wants: {local_auth: false}
#   apart: true
#   reads: [local_auth]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_019

import rego.v1

violations contains {"address": doc.address, "field": "local_auth", "message": "keys or accounts of its own are accepted beside the cloud's identities"} if {
	some doc in input.documents
	doc.local_auth == true
}
