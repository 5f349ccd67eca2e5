# METADATA
# title: Traffic inside a service in the clear
# description: >-
#   What a service sends between its own nodes crosses a network too.
# custom:
#   id: DY-TLS-012
#   severity: medium
#   mend: >-
#     Switch encryption in transit on for its nodes and volumes.
#   kinds: [managed_service]
#   wants: {tls_required: true}
#   reads: [tls_required]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_012

import rego.v1

violations contains {"address": doc.address, "field": "tls_required", "message": "traffic between its parts or to its volumes is not encrypted"} if {
	some doc in input.documents
	doc.tls_required == false
}
