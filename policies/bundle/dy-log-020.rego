# METADATA
# title: Attacks on a service are not watched for
# description: >-
#   Injection and odd exports have patterns that the cloud can see.
# custom:
#   id: DY-LOG-020
#   severity: low
#   mend: >-
#     Switch threat detection on.
#   kinds: [database, managed_service, bucket]
#   wants: {threat_detection: true}
#   apart: true
#   reads: [threat_detection]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_log_020

import rego.v1

violations contains {"address": doc.address, "field": "threat_detection", "message": "the cloud does not watch it for attacks"} if {
	some doc in input.documents
	doc.threat_detection == false
}
