# METADATA
# title: Secret written into the environment of managed code
# description: >-
#   The environment of managed code is shown to everybody who may look at it, and stands in
#   documents and state files.
# custom:
#   id: DY-SEC-001
#   severity: high
#   mend: >-
#     Refer to the secret store instead.
#   kinds: [managed_service]
#   parameters:
#     names: ['(?i)(^|_)(password|passwd|pwd|secret|token|api_?key|access_?key|secret_?key|private_?key|credentials?)$']
#     values: ['\b(AKIA|ASIA|LTAI)[A-Za-z0-9]{12,}', '-----BEGIN [A-Z ]*PRIVATE KEY-----']
#     harmless_values: ['^[a-z]+://[^:@/]+(:[0-9]+)?(/|$)', ^/, '^[$][{(]', '^(true|false|[0-9]+)$', '^arn:']
#     shortest: 4
#   reads: [environment]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_sec_001

import rego.v1

violations contains {"address": doc.address, "field": "environment", "message": message} if {
	some doc in input.documents
	is_object(doc.environment)
	some name, value in doc.environment
	is_string(value)
	count(value) >= input.parameters.shortest
	telling(name, value)
	not harmless(value)
	message := sprintf("%s is a literal", [name])
}

telling(name, _) if {
	some pattern in input.parameters.names
	regex.match(pattern, name)
}

telling(_, value) if {
	some pattern in input.parameters.values
	regex.match(pattern, value)
}

harmless(value) if {
	some pattern in input.parameters.harmless_values
	regex.match(pattern, value)
}
