# METADATA
# title: Certificate that is not renewed by itself
# description: >-
#   Forgotten certificates are a common cause of outages.
# custom:
#   id: DY-TLS-018
#   severity: low
#   mend: >-
#     Use a certificate that the cloud validates by DNS and renews.
#   kinds: [certificate]
#   wants: {renews: true}
#   reads: [renews]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_tls_018

import rego.v1

violations contains {"address": doc.address, "field": "renews", "message": "nothing renews it"} if {
	some doc in input.documents
	doc.renews == false
}
