# METADATA
# title: Not searched for weaknesses
# description: >-
#   Weak settings and old versions are found by others first.
# custom:
#   id: DY-IMG-004
#   severity: low
#   mend: >-
#     Switch the vulnerability assessment on, once a week.
#   kinds: [database, managed_service]
#   wants: {scan: true}
#   apart: true
#   reads: [scan]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_img_004

import rego.v1

violations contains {"address": doc.address, "field": "scan", "message": "it is not searched for weaknesses"} if {
	some doc in input.documents
	doc.scan == false
}
