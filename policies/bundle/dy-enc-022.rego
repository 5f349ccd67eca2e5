# METADATA
# title: Environment variables not under a key of ours
# description: >-
#   Whoever may look at the function reads its variables in the clear; with a key of ours he needs
#   the key as well.
# custom:
#   id: DY-ENC-022
#   severity: low
#   mend: >-
#     Name a key of the key service for the environment.
#   kinds: [managed_service]
#   reads: [environment_key]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_022

import rego.v1

violations contains {"address": doc.address, "field": "environment_key", "message": "no key of ours encrypts its environment variables"} if {
	some doc in input.documents
	doc.environment_key == ""
}
