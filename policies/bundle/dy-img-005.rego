# METADATA
# title: Results of a search go to nobody
# description: >-
#   A weakness that nobody reads of is not mended.
# custom:
#   id: DY-IMG-005
#   severity: low
#   mend: >-
#     Name who gets the reports.
#   kinds: [managed_service]
#   wants: {scan_reports: true}
#   reads: [scan_reports]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_img_005

import rego.v1

violations contains {"address": doc.address, "field": "scan_reports", "message": "its results go to nobody"} if {
	some doc in input.documents
	doc.scan_reports == false
}
