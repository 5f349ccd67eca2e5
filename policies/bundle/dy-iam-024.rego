# METADATA
# title: Cache without a password
# description: >-
#   Whoever reaches the port reads all sessions.
# custom:
#   id: DY-IAM-024
#   severity: high
#   mend: >-
#     Set a password or the cloud's own sign-in; use TLS with it.
#   kinds: [cache]
#   wants: {auth: true}
#   reads: [auth]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_iam_024

import rego.v1

violations contains {"address": doc.address, "field": "auth", "message": "it demands no password"} if {
	some doc in input.documents
	doc.auth == false
}
