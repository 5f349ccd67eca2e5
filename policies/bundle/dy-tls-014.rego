# METADATA
# title: Traffic to what stands behind is in the clear
# description: >-
#   Encryption that ends at the front leaves the rest of the way open.
# custom:
#   id: DY-TLS-014
#   severity: medium
#   mend: >-
#     Speak HTTPS to the targets.
#   kinds: [managed_service]
#   reads: [protocol]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_014

import rego.v1

violations contains {"address": doc.address, "field": "protocol", "message": message} if {
	some doc in input.documents
	doc.protocol in {"http", "tcp_plain"}
	message := sprintf("it speaks plain %s to what stands behind it", [doc.protocol])
}
