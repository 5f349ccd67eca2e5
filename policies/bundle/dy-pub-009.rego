# METADATA
# title: Image, snapshot or script shared with everybody
# description: >-
#   A shared disk image gives its whole content away: code, configuration, keys that were left on
#   it.
# custom:
#   id: DY-PUB-009
#   severity: critical
#   mend: >-
#     Share it with the accounts that need it, by name.
#   kinds: [managed_service]
#   wants: {shared_publicly: false}
#   reads: [shared_publicly]
#   controls: [GB/T 22239-2019 8.1.4.2, GB/T 22239-2019 8.1.4.8]
package duoyun.rules.dy_pub_009

import rego.v1

violations contains {"address": doc.address, "field": "shared_publicly", "message": "anybody may use it"} if {
	some doc in input.documents
	doc.shared_publicly == true
}
