# METADATA
# title: HTTP/2 is off
# description: >-
#   HTTP/2 needs fewer connections, and its clients demand modern TLS.
# custom:
#   id: DY-TLS-016
#   severity: low
#   mend: >-
#     Switch HTTP/2 on.
#   kinds: [managed_service]
#   wants: {http2: true}
#   reads: [http2]
package duoyun.rules.dy_tls_016

import rego.v1

violations contains {"address": doc.address, "field": "http2", "message": "it speaks HTTP/1.1 only"} if {
	some doc in input.documents
	doc.http2 == false
}
