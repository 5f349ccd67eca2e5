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
#   parameters:
#     front_is_enough: false
#   reads: [protocol, front_tls]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_014

import rego.v1

violations contains {"address": doc.address, "field": "protocol", "message": message} if {
	some doc in input.documents
	doc.protocol in {"http", "tcp_plain"}
	not enough(doc)
	message := sprintf("it speaks plain %s to what stands behind it", [doc.protocol])
}

# Where the way within the network may be in the clear, as long as callers come by TLS.
enough(doc) if {
	input.parameters.front_is_enough == true
	settled(doc.front_tls)
}

settled(given) if given == true

settled(given) if given["$unknown"] == true
