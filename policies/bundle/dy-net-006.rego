# METADATA
# title: Cluster API open to the world
# description: >-
#   An API server that anybody can reach has only its authentication left, and every flaw of it is
#   reachable at once.
# custom:
#   id: DY-NET-006
#   severity: medium
#   mend: >-
#     Switch the public endpoint off, or name the blocks that may reach it in public_access_cidrs.
#   kinds: [cluster]
#   stage: network
#   reads: [public_endpoint, public_access_cidrs]
package duoyun.rules.dy_net_006

import rego.v1

violations contains {"address": doc.address, "field": "public_access_cidrs", "message": message} if {
	some doc in input.documents
	doc.public_endpoint == true
	is_array(doc.public_access_cidrs)
	some reason in reasons(doc)
	message := sprintf("its public API endpoint can be reached from %s", [reason])
}

reasons(doc) := {"anywhere: public_access_cidrs is empty"} if count(doc.public_access_cidrs) == 0

reasons(doc) := {cidr | some cidr in doc.strangers} if count(doc.public_access_cidrs) > 0
