# METADATA
# title: Internal listener without encryption
# description: >-
#   Whoever sits on the way reads and changes what callers send, sign-in included.
# custom:
#   id: DY-TLS-002
#   severity: low
#   mend: >-
#     Speak HTTPS, and let port 80 redirect.
#   kinds: [load_balancer]
#   reads: [public, listeners]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_002

import rego.v1

violations contains {"address": doc.address, "field": sprintf("listeners[%d]", [n]), "message": message} if {
	some doc in input.documents
	doc.public == false
	some n, listener in doc.listeners
	listener.protocol == "http"
	listener.redirect_to_https == false
	message := sprintf("port %d speaks plain HTTP", [listener.port])
}
