# METADATA
# title: Sensitive data without legal zones
# description: >-
#   A service that handles such data must say in which countries they may be; "any" is no answer.
# custom:
#   id: DY-RES-002
#   severity: high
#   mend: >-
#     Name the countries in the service's `zones`.
#   kinds: [service_placement]
#   parameters:
#     sensitive: [pii, financial, sensitive-pii, secret]
#   reads: [data_class, zones]
package duoyun.rules.dy_res_002

import rego.v1

violations contains {"address": doc.address, "field": "zones", "message": message} if {
	some doc in input.documents
	doc.data_class in input.parameters.sensitive
	"any" in doc.zones
	message := sprintf("it handles %s data and may run anywhere", [doc.data_class])
}
