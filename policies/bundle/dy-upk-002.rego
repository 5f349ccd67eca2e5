# METADATA
# title: Language version that gets no fixes
# description: >-
#   A language version that is no longer maintained keeps its known weaknesses.
# custom:
#   id: DY-UPK-002
#   severity: medium
#   mend: >-
#     Move to a version that is maintained.
#   kinds: [managed_service]
#   parameters:
#     retired: ['^python(2|3[.][0-9]$)', '^node(js)?[^0-9]?(4|6|8|10|12|14|16|18)\b', '^java[^0-9]?(1[.][4-8]|[4-8])\b', '^dotnet(core)?[^0-9]?([1-3]([.]|$)|5|6|7)', '^php[^0-9]?([4-7]|8[.][01])', '^ruby[^0-9]?(1|2|3[.][01])', '^go1[.]x$']
#   reads: [runtime]
#   controls: [GB/T 22239-2019 8.1.4.4]
package duoyun.rules.dy_upk_002

import rego.v1

violations contains {"address": doc.address, "field": "runtime", "message": message} if {
	some doc in input.documents
	is_string(doc.runtime)
	some pattern in input.parameters.retired
	regex.match(pattern, lower(doc.runtime))
	message := sprintf("it runs %s, which gets no security fixes", [doc.runtime])
}
