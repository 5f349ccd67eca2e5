# METADATA
# title: Certificate for every name of a domain
# description: >-
#   Whoever takes over the least of the machines that hold it can pose as all of them.
# custom:
#   id: DY-TLS-019
#   severity: low
#   mend: >-
#     Ask for the names that are served.
#   kinds: [certificate]
#   reads: [domains]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_tls_019

import rego.v1

violations contains {"address": doc.address, "field": "domains", "message": message} if {
	some doc in input.documents
	some domain in doc.domains
	is_string(domain)
	startswith(domain, "*")
	message := sprintf("it is valid for %s", [domain])
}
