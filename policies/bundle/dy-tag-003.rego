# METADATA
# title: Tag with a value that is not allowed
# description: >-
#   Bills and owners are found by the value of a tag; a typing error makes one more owner. Off until
#   patterns are named.
# custom:
#   id: DY-TAG-003
#   severity: low
#   mend: >-
#     Use a value that the pattern allows.
#   kinds: [network, firewall_group, cluster, node_pool, instance, instance_group, disk, load_balancer, database, cache, queue, bucket, key, registry, managed_service]
#   apart: true
#   parameters:
#     patterns: {}
#   reads: [tags]
package duoyun.rules.dy_tag_003

import rego.v1

violations contains {"address": doc.address, "field": "tags", "message": message} if {
	some doc in input.documents
	some tag, pattern in input.parameters.patterns
	value := doc.tags[tag]
	is_string(value)
	not regex.match(pattern, value)
	message := sprintf("its tag %q is %q", [tag, value])
}
