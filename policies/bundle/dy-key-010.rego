# METADATA
# title: Key store open to every network
# description: >-
#   A stolen identity works from anywhere as long as the store does not care where a caller is.
# custom:
#   id: DY-KEY-010
#   severity: medium
#   mend: >-
#     Deny by default and name the networks that need it.
#   kinds: [key]
#   wants: {network_default_deny: true}
#   reads: [network_default_deny]
#   controls: [GB/T 22239-2019 8.1.3.2]
package duoyun.rules.dy_key_010

import rego.v1

violations contains {"address": doc.address, "field": "network_default_deny", "message": "its firewall lets in whom no rule names"} if {
	some doc in input.documents
	doc.network_default_deny == false
}
