# METADATA
# title: Database that accepts connections in the clear
# description: >-
#   Passwords and data go over the network for whoever can listen there.
# custom:
#   id: DY-TLS-006
#   severity: high
#   mend: >-
#     Require TLS, and set the clients to verify the certificate.
#   kinds: [database]
#   wants: {tls_required: true}
#   reads: [tls_required]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_006

import rego.v1

violations contains {"address": doc.address, "field": "tls_required", "message": "connections without TLS are accepted"} if {
	some doc in input.documents
	doc.tls_required == false
}
