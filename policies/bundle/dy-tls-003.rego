# METADATA
# title: Listener that speaks old TLS versions
# description: >-
#   TLS 1.0 and 1.1 have known weaknesses and were retired by RFC 8996.
# custom:
#   id: DY-TLS-003
#   severity: high
#   mend: >-
#     Choose a policy of TLS 1.2 or better.
#   kinds: [load_balancer]
#   parameters:
#     {oldest: '1.2'}
#   reads: [listeners]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_003

import data.duoyun.lib.versions
import rego.v1

violations contains {"address": doc.address, "field": sprintf("listeners[%d]", [n]), "message": message} if {
	some doc in input.documents
	some n, listener in doc.listeners
	versions.older(listener.tls_policy, input.parameters.oldest)
	message := sprintf("port %d still speaks TLS %s", [listener.port, listener.tls_policy])
}
