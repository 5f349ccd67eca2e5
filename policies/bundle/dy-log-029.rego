# METADATA
# title: Watch for attacks leaves accounts out
# description: >-
#   An intruder works in the account that nobody watches; a new account is watched by nobody until somebody thinks of
#   it.
# custom:
#   id: DY-LOG-029
#   severity: low
#   mend: >-
#     Let the organisation switch it on in every account, new ones as well.
#   kinds: [managed_service]
#   reads: [all_accounts]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_log_029

import rego.v1

violations contains {"address": doc.address, "field": "all_accounts", "message": "it does not cover every account"} if {
	some doc in input.documents
	doc.class == "threat_detection"
	doc.all_accounts == false
}
