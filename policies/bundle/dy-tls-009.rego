# METADATA
# title: Bucket that answers plain HTTP
# description: >-
#   Objects and signed links can be read on the way.
# custom:
#   id: DY-TLS-009
#   severity: medium
#   mend: >-
#     Refuse insecure transport by the bucket's policy or switch.
#   kinds: [bucket]
#   wants: {tls_only: true}
#   reads: [tls_only]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_009

import rego.v1

violations contains {"address": doc.address, "field": "tls_only", "message": "requests without TLS are answered"} if {
	some doc in input.documents
	doc.tls_only == false
}
