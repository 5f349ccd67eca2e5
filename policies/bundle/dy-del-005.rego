# METADATA
# title: Plan that destroys data
# description: >-
#   A plan that replaces a store deletes what is in it; this is easily overlooked among a hundred
#   other lines.
# custom:
#   id: DY-DEL-005
#   severity: critical
#   mend: >-
#     Move the data first, or keep the store out of this change; where it is meant, ask for a
#     waiver.
#   kinds: [database, bucket, disk, key, queue, managed_service]
#   apart: true
#   parameters:
#     classes: [backup_vault, file_system, search, time_series]
#   reads: [change]
#   controls: [GB/T 22239-2019 8.1.4.9]
package duoyun.rules.dy_del_005

import rego.v1

violations contains {"address": doc.address, "field": "change", "message": message} if {
	some doc in input.documents
	doc.change in {"delete", "replace"}
	holds_data(doc)
	message := sprintf("the plan would %s it, and the data in it", [doc.change])
}

holds_data(doc) if doc.kind != "managed_service"

holds_data(doc) if doc.class in input.parameters.classes
