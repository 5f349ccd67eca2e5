# METADATA
# title: Minor versions are not put in
# description: >-
#   Minor versions hold the security fixes.
# custom:
#   id: DY-UPK-001
#   severity: low
#   mend: >-
#     Switch automatic minor upgrades on, with a window.
#   kinds: [database, cache, queue]
#   wants: {auto_minor_upgrades: true}
#   apart: true
#   reads: [auto_minor_upgrades]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_upk_001

import rego.v1

violations contains {"address": doc.address, "field": "auto_minor_upgrades", "message": "minor versions are not put in by themselves"} if {
	some doc in input.documents
	doc.auto_minor_upgrades == false
}
