# METADATA
# title: Grade of protection missing
# description: >-
#   Where systems of several grades share an account, each resource has to say which one it belongs
#   to (GB/T 22240 names the grades). Off until a tag is named.
# custom:
#   id: DY-TAG-002
#   severity: low
#   mend: >-
#     Add the tag with one of the grades.
#   kinds: [network, firewall_group, cluster, node_pool, instance, instance_group, disk, load_balancer, database, cache, queue, bucket, key, registry, managed_service]
#   apart: true
#   parameters:
#     tag: ''
#     values: ['1', '2', '3', '4', '5']
#   reads: [tags]
package duoyun.rules.dy_tag_002

import rego.v1

violations contains {"address": doc.address, "field": "tags", "message": message} if {
	some doc in input.documents
	input.parameters.tag != ""
	is_object(doc.tags)
	not doc.tags["$unknown"]
	value := object.get(doc.tags, input.parameters.tag, "")
	is_string(value)
	not value in input.parameters.values
	message := sprintf("its tag %q is %q, which is no grade", [input.parameters.tag, value])
}
