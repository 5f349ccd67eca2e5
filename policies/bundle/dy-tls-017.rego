# METADATA
# title: Certificate with a weak key
# description: >-
#   Keys of 1024 bits can be broken, and browsers refuse them.
# custom:
#   id: DY-TLS-017
#   severity: medium
#   mend: >-
#     Ask for RSA with 2048 bits or more, or for an elliptic curve.
#   kinds: [certificate]
#   parameters:
#     weak: [RSA_512, RSA_1024]
#   reads: [algorithm]
#   controls: [GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_tls_017

import rego.v1

violations contains {"address": doc.address, "field": "algorithm", "message": message} if {
	some doc in input.documents
	doc.algorithm in input.parameters.weak
	message := sprintf("its key is %s", [doc.algorithm])
}
