# METADATA
# title: Old TLS versions are spoken
# description: >-
#   TLS 1.0 and 1.1 have known weaknesses and were retired by RFC 8996.
# custom:
#   id: DY-TLS-004
#   severity: high
#   mend: >-
#     Set the lowest version to TLS 1.2 or better.
#   kinds: [database, cache, queue, bucket, managed_service]
#   apart: true
#   parameters:
#     {oldest: '1.2'}
#   reads: [tls_min]
#   controls: [GB/T 22239-2019 8.1.2.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_004

import data.duoyun.lib.versions
import rego.v1

violations contains {"address": doc.address, "field": "tls_min", "message": message} if {
	some doc in input.documents
	versions.older(doc.tls_min, input.parameters.oldest)
	message := sprintf("it still speaks TLS %s", [doc.tls_min])
}
