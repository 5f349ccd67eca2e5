# METADATA
# title: Required tag missing
# description: >-
#   Tags say who answers for a resource and who pays for it.
# custom:
#   id: DY-TAG-001
#   severity: low
#   mend: >-
#     Add the tag to the fleet's `tags`.
#   kinds: [network, firewall_group, cluster, node_pool, instance, instance_group, disk, load_balancer, database, cache, queue, bucket, key, registry, managed_service]
#   apart: true
#   parameters:
#     tags: [owner]
#     ownerships: [own, adopt]
#   reads: [tags]
package duoyun.rules.dy_tag_001

import rego.v1

violations contains {"address": doc.address, "field": "tags", "message": message} if {
	some doc in input.documents
	is_object(doc.tags)
	not doc.tags["$unknown"]
	doc.ownership in input.parameters.ownerships
	some tag in input.parameters.tags
	object.get(doc.tags, tag, "") == ""
	message := sprintf("it has no tag %q", [tag])
}
