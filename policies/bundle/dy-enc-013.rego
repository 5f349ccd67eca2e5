# METADATA
# title: Logs not under a key of ours
# description: >-
#   Logs hold names, addresses and sometimes tokens; a key of ours says who may read them.
# custom:
#   id: DY-ENC-013
#   severity: low
#   mend: >-
#     Name a key of the key service for the log group.
#   kinds: [managed_service]
#   reads: [key]
#   controls: [GB/T 22239-2019 8.1.4.3, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_enc_013

import rego.v1

violations contains {"address": doc.address, "field": "key", "message": "no key of ours encrypts it"} if {
	some doc in input.documents
	doc.class == "log_group"
	doc.key == ""
}
