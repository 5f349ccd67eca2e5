# METADATA
# title: Right to raise one's own rights
# description: >-
#   With one of these rights a small identity becomes an administrator.
# custom:
#   id: DY-IAM-003
#   severity: high
#   mend: >-
#     Name the resources (`PassRole` on one role), or take the action out.
#   kinds: [identity]
#   parameters:
#     actions: ['iam:AddUserToGroup', 'iam:AttachGroupPolicy', 'iam:AttachRolePolicy', 'iam:AttachUserPolicy', 'iam:CreateAccessKey', 'iam:CreateLoginProfile', 'iam:CreatePolicyVersion', 'iam:PassRole', 'iam:PutGroupPolicy', 'iam:PutRolePolicy', 'iam:PutUserPolicy', 'iam:SetDefaultPolicyVersion', 'iam:UpdateAssumeRolePolicy', 'iam:UpdateLoginProfile', 'ram:AttachPolicyToRole', 'ram:AttachPolicyToUser', 'ram:CreateAccessKey', 'ram:CreatePolicyVersion', 'ram:SetDefaultPolicyVersion', Microsoft.Authorization/roleAssignments/write, Microsoft.Authorization/elevateAccess/action]
#   reads: [grants]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_003

import data.duoyun.lib.rights
import rego.v1

violations contains {"address": doc.address, "field": sprintf("grants[%d]", [n]), "message": message} if {
	some doc in input.documents
	some n, grant in doc.grants
	rights.unconfined(grant)
	found := rights.covered(grant, input.parameters.actions)
	count(found) > 0
	message := sprintf("it may %s on everything", [concat(", ", sort(found))])
}
