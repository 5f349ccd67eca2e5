# METADATA
# title: Data copied across the border
# description: >-
#   What leaves mainland China needs an assessment, a contract or a certificate first (PIPL articles
#   38 to 40, Data Security Law article 31).
# custom:
#   id: DY-RES-004
#   severity: high
#   mend: >-
#     Copy to a second region in the mainland, or have the transfer assessed and waive this with its
#     number.
#   kinds: [bucket, database, managed_service]
#   apart: true
#   parameters:
#     mainland: [^cn-(beijing|chengdu|fuzhou|guangzhou|hangzhou|heyuan|huhehaote|nanjing|north|northwest|qingdao|shanghai|shenzhen|wuhan|wulanchabu|zhangjiakou|zhengzhou), ^china(east|north)]
#   reads: [region, replicas, replica_regions]
#   controls: [GB/T 22239-2019 8.1.4.11]
package duoyun.rules.dy_res_004

import rego.v1

violations contains {"address": doc.address, "field": field, "message": message} if {
	some doc in input.documents
	is_string(doc.region)
	some pattern in input.parameters.mainland
	regex.match(pattern, doc.region)
	some field in ["replicas", "replica_regions"]
	is_array(doc[field])
	some region in doc[field]
	is_string(region)
	not inside(region)
	message := sprintf("its data are copied from %s to %s", [doc.region, region])
}

inside(region) if {
	some pattern in input.parameters.mainland
	regex.match(pattern, region)
}
