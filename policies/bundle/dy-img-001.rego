# METADATA
# title: Images not searched for weaknesses
# description: >-
#   Known weaknesses in a base image are found by others first.
# custom:
#   id: DY-IMG-001
#   severity: medium
#   mend: >-
#     Switch scanning on.
#   kinds: [registry]
#   wants: {scan_on_push: true}
#   reads: [scan_on_push]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_img_001

import rego.v1

violations contains {"address": doc.address, "field": "scan_on_push", "message": "images are not searched when they are pushed"} if {
	some doc in input.documents
	doc.scan_on_push == false
}
