# METADATA
# title: Sensitive data in several countries
# description: >-
#   Data that are in two countries are under two laws, and each copy between them is a transfer
#   across a border.
# custom:
#   id: DY-RES-005
#   severity: medium
#   mend: >-
#     Split the service by country, or place it in one.
#   kinds: [service_placement]
#   parameters:
#     sensitive: [pii, financial, sensitive-pii, secret]
#   reads: [data_class, sites]
#   controls: [GB/T 22239-2019 8.1.4.11]
package duoyun.rules.dy_res_005

import rego.v1

violations contains {"address": doc.address, "field": "sites", "message": message} if {
	some doc in input.documents
	doc.data_class in input.parameters.sensitive
	countries := {site.country | some site in doc.sites; is_string(site.country)}
	count(countries) > 1
	message := sprintf("%s data would be in %s", [doc.data_class, concat(" and ", sort(countries))])
}
