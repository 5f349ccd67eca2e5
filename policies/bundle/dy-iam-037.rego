# METADATA
# title: Right to a whole family of actions on everything
# description: >-
#   A pattern of actions takes in what the cloud adds tomorrow; on every resource, it shows or changes what nobody
#   thought of.
# custom:
#   id: DY-IAM-037
#   severity: low
#   mend: >-
#     Name the actions, or the resources that they are meant for.
#   kinds: [identity]
#   parameters:
#     harmless: ['pricing:*', 'support:*']
#   reads: [grants]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_037

import data.duoyun.lib.rights
import rego.v1

violations contains {"address": doc.address, "field": sprintf("grants[%d]", [n]), "message": message} if {
	some doc in input.documents
	some n, grant in doc.grants
	rights.unconfined(grant)
	some action in grant.actions
	is_string(action)
	contains(action, "*")
	not harmless(action)
	message := sprintf("it may %s on everything", [action])
}

harmless(action) if {
	some pattern in input.parameters.harmless
	glob.match(lower(pattern), null, lower(action))
}
