# METADATA
# title: Sign-in with a password
# description: >-
#   Passwords are guessed by machines all day.
# custom:
#   id: DY-VM-003
#   severity: high
#   mend: >-
#     Use SSH keys, or the cloud's session service.
#   kinds: [instance, instance_group, node_pool, managed_service]
#   wants: {password_login: false}
#   apart: true
#   reads: [password_login]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_vm_003

import rego.v1

violations contains {"address": doc.address, "field": "password_login", "message": "people may sign in with a password"} if {
	some doc in input.documents
	doc.password_login == true
}
