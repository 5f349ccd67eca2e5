# METADATA
# title: Secret sent elsewhere
# description: >-
#   A document that reads a secret and calls a stranger with it gives it away at every plan.
# custom:
#   id: DY-KEY-011
#   severity: critical
#   mend: >-
#     Take the call out; let whoever needs the secret read it from the store.
#   kinds: [key]
#   reads: [sends_to]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_key_011

import rego.v1

violations contains {"address": doc.address, "field": "sends_to", "message": message} if {
	some doc in input.documents
	count(doc.sends_to) > 0
	every address in doc.sends_to { is_string(address) }
	message := sprintf("what it holds is sent to %s", [concat(", ", doc.sends_to)])
}
