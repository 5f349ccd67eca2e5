# METADATA
# title: Plain HTTP is answered
# description: >-
#   Whoever sits on the way reads and changes what callers send, sign-in included.
# custom:
#   id: DY-TLS-005
#   severity: high
#   mend: >-
#     Redirect or refuse plain HTTP.
#   kinds: [managed_service]
#   wants: {https_only: true}
#   reads: [https_only]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_005

import rego.v1

violations contains {"address": doc.address, "field": "https_only", "message": "plain HTTP is answered"} if {
	some doc in input.documents
	doc.https_only == false
}
