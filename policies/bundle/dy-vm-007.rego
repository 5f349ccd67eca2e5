# METADATA
# title: No software against malware
# description: >-
#   The standard asks for protection against malicious code on hosts.
# custom:
#   id: DY-VM-007
#   severity: low
#   mend: >-
#     Install the agent.
#   kinds: [instance, instance_group]
#   wants: {antimalware: true}
#   apart: true
#   reads: [antimalware]
#   controls: [GB/T 22239-2019 8.1.4.5]
package duoyun.rules.dy_vm_007

import rego.v1

violations contains {"address": doc.address, "field": "antimalware", "message": "no software against malware runs on it"} if {
	some doc in input.documents
	doc.antimalware == false
}
