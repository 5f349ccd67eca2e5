# METADATA
# title: Callers show no certificate
# description: >-
#   Where only known systems call, a certificate keeps out everybody else before a line of code
#   runs.
# custom:
#   id: DY-TLS-011
#   severity: low
#   mend: >-
#     Require client certificates.
#   kinds: [managed_service]
#   wants: {mtls: true}
#   reads: [mtls]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_tls_011

import rego.v1

violations contains {"address": doc.address, "field": "mtls", "message": "client certificates are not required"} if {
	some doc in input.documents
	doc.mtls == false
}
