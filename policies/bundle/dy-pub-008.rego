# METADATA
# title: Storage open to every network
# description: >-
#   A leaked key works from anywhere as long as the store does not care where a caller is.
# custom:
#   id: DY-PUB-008
#   severity: medium
#   mend: >-
#     Deny by default and name the networks that need it.
#   kinds: [bucket]
#   wants: {network_default_deny: true}
#   reads: [network_default_deny]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_pub_008

import rego.v1

violations contains {"address": doc.address, "field": "network_default_deny", "message": "its firewall lets in whom no rule names"} if {
	some doc in input.documents
	doc.network_default_deny == false
}
