# METADATA
# title: Key store with lists of its own for rights
# description: >-
#   Rights outside the cloud's identities are seen by no review of these.
# custom:
#   id: DY-KEY-013
#   severity: low
#   mend: >-
#     Use the cloud's roles.
#   kinds: [key]
#   wants: {rbac: true}
#   reads: [rbac]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_key_013

import rego.v1

violations contains {"address": doc.address, "field": "rbac", "message": "its rights stand in lists of its own"} if {
	some doc in input.documents
	doc.rbac == false
}
