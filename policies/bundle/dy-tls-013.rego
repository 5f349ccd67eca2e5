# METADATA
# title: Server certificate from a retired authority
# description: >-
#   When the authority expires, clients that verify lose the database, and those that do not verify
#   were never safe.
# custom:
#   id: DY-TLS-013
#   severity: medium
#   mend: >-
#     Change to the current certificate authority.
#   kinds: [database]
#   wants: {certificate_current: true}
#   reads: [certificate_current]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_013

import rego.v1

violations contains {"address": doc.address, "field": "certificate_current", "message": "its server certificate comes from an authority that is retired"} if {
	some doc in input.documents
	doc.certificate_current == false
}
