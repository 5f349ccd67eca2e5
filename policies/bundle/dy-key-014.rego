# METADATA
# title: Secrets kept in the service, not in a vault
# description: >-
#   Passwords of what it connects to then stand in its own settings, where nobody rotates them and no vault says who
#   read them.
# custom:
#   id: DY-KEY-014
#   severity: low
#   mend: >-
#     Link a vault, and refer to its secrets.
#   kinds: [managed_service]
#   reads: [secrets_in_vault]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_key_014

import rego.v1

violations contains {"address": doc.address, "field": "secrets_in_vault", "message": "its secrets come from no vault"} if {
	some doc in input.documents
	doc.secrets_in_vault == false
}
