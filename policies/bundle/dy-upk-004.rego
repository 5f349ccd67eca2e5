# METADATA
# title: Patches are not put in
# description: >-
#   Known weaknesses stay until somebody has time.
# custom:
#   id: DY-UPK-004
#   severity: low
#   mend: >-
#     Switch automatic upgrades on, with a window.
#   kinds: [cluster, node_pool, instance, instance_group, managed_service]
#   wants: {auto_upgrades: true}
#   apart: true
#   reads: [auto_upgrades]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_upk_004

import rego.v1

violations contains {"address": doc.address, "field": "auto_upgrades", "message": "patches are not put in by themselves"} if {
	some doc in input.documents
	doc.auto_upgrades == false
}
