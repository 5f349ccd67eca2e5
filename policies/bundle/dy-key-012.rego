# METADATA
# title: Signed links that may live for ever
# description: >-
#   A signed link in a mail or a log works until its end date, whatever happens to who made it.
# custom:
#   id: DY-KEY-012
#   severity: low
#   mend: >-
#     Set a policy for how long signed links may live.
#   kinds: [bucket, managed_service]
#   apart: true
#   reads: [tokens_expire, local_auth]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_key_012

import rego.v1

violations contains {"address": doc.address, "field": "tokens_expire", "message": "its signed links are held to no longest life"} if {
	some doc in input.documents
	doc.tokens_expire == false
	not unsigned(doc)
}

# Links are signed with the shared keys.
unsigned(doc) if doc.local_auth == false

unsigned(doc) if doc.local_auth["$unknown"] == true
