# METADATA
# title: Known exploits are not blocked
# description: >-
#   Exploits such as CVE-2021-44228 (Log4Shell) are tried on every public entry every day; managed
#   rules know their strings.
# custom:
#   id: DY-NET-030
#   severity: medium
#   mend: >-
#     Switch on the managed rules against known bad inputs, with the action block.
#   kinds: [managed_service]
#   wants: {blocks_known_exploits: true}
#   stage: network
#   reads: [blocks_known_exploits]
#   controls: [GB/T 22239-2019 8.1.3.3, GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_net_030

import rego.v1

violations contains {"address": doc.address, "field": "blocks_known_exploits", "message": "its rules do not block known exploit strings"} if {
	some doc in input.documents
	doc.blocks_known_exploits == false
}
