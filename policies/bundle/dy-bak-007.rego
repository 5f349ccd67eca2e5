# METADATA
# title: Objects in one region only
# description: >-
#   The standard asks at level 3 for a backup at another place.
# custom:
#   id: DY-BAK-007
#   severity: low
#   mend: >-
#     Replicate to a second region, within the country where the law says so.
#   kinds: [bucket]
#   reads: [redundancy, replicas]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_bak_007

import rego.v1

violations contains {"address": doc.address, "field": "redundancy", "message": "its objects are kept in one region only"} if {
	some doc in input.documents
	doc.redundancy in {"zone", "zones"}
	doc.replicas == []
}
