# METADATA
# title: Scripts of any web site may call
# description: >-
#   A page that a user happens to open can act in his name.
# custom:
#   id: DY-IAM-025
#   severity: medium
#   mend: >-
#     Name the origins.
#   kinds: [managed_service]
#   wants: {cors_any_origin: false}
#   reads: [cors_any_origin]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_025

import rego.v1

violations contains {"address": doc.address, "field": "cors_any_origin", "message": "scripts of any web site may call it"} if {
	some doc in input.documents
	doc.cors_any_origin == true
}
