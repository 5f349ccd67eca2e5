# METADATA
# title: Group without members
# description: >-
#   A group that nobody belongs to is a right that somebody may fill unseen.
# custom:
#   id: DY-IAM-028
#   severity: info
#   mend: >-
#     Delete it, or put its members in.
#   kinds: [identity]
#   reads: [members]
package duoyun.rules.dy_iam_028

import rego.v1

violations contains {"address": doc.address, "field": "members", "message": "nobody belongs to it"} if {
	some doc in input.documents
	doc.members == 0
}
