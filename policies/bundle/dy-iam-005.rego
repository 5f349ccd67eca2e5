# METADATA
# title: Right to read every secret or object
# description: >-
#   One stolen identity then takes all data with it.
# custom:
#   id: DY-IAM-005
#   severity: high
#   mend: >-
#     Name the buckets, parameters and secrets that are needed.
#   kinds: [identity]
#   parameters:
#     actions: ['s3:GetObject', 'ssm:GetParameter', 'ssm:GetParameters', 'ssm:GetParametersByPath', 'secretsmanager:GetSecretValue', 'oss:GetObject', 'kms:GetSecretValue', 'rds:CopyDBSnapshot', Microsoft.Storage/storageAccounts/listkeys/action]
#   reads: [grants]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_005

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
