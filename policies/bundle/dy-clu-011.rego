# METADATA
# title: Attacks on a cluster are not watched for
# description: >-
#   Mining and shells in containers have patterns that the cloud can see.
# custom:
#   id: DY-CLU-011
#   severity: low
#   mend: >-
#     Switch the cloud's container security on.
#   kinds: [cluster]
#   wants: {threat_detection: true}
#   reads: [threat_detection]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_clu_011

import rego.v1

violations contains {"address": doc.address, "field": "threat_detection", "message": "the cloud does not watch it for attacks"} if {
	some doc in input.documents
	doc.threat_detection == false
}
