# METADATA
# title: Secret in user data
# description: >-
#   User data can be read by everybody who may describe the machine, and by every process on it.
# custom:
#   id: DY-VM-002
#   severity: critical
#   mend: >-
#     Keep the secret in a secret store and read it at start with the machine's own identity.
#   kinds: [instance, instance_group, managed_service]
#   apart: true
#   parameters:
#     patterns:
#       private key: "-----BEGIN [A-Z ]*PRIVATE KEY-----"
#       access key: "\\b(AKIA|ASIA|LTAI)[A-Za-z0-9]{12,}"
#       password: "(?i)(password|passwd|secret_?key|api_?key)['\" ]*[:=][ '\"]*[^ '\"$<{\\s]{6,}"
#   reads: [user_data]
package duoyun.rules.dy_vm_002

import rego.v1

violations contains {"address": doc.address, "field": "user_data", "message": message} if {
	some doc in input.documents
	some name, pattern in input.parameters.patterns
	is_string(doc.user_data)
	regex.match(pattern, doc.user_data)
	message := sprintf("its user data looks as if it held a secret (%s)", [name])
}
