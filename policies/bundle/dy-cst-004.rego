# METADATA
# title: Prices that are guesses
# description: >-
#   A budget is kept only as well as the prices are known.
# custom:
#   id: DY-CST-004
#   severity: low
#   mend: >-
#     Add the missing prices to the fleet's facts.
#   kinds: [cost]
#   parameters:
#     {most_share: 0.2}
#   reads: [assumed_share]
package duoyun.rules.dy_cst_004

import rego.v1

violations contains {"address": doc.address, "field": "assumed_share", "message": message} if {
	some doc in input.documents
	is_number(doc.assumed_share)
	doc.assumed_share > input.parameters.most_share
	message := sprintf("%v of the cost rests on assumed prices", [doc.assumed_share])
}
