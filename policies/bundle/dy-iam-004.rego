# METADATA
# title: Right to write without bounds
# description: >-
#   A right to change that names no resource reaches what nobody thought of.
# custom:
#   id: DY-IAM-004
#   severity: medium
#   mend: >-
#     Name the resources, or add a condition.
#   kinds: [identity]
#   parameters:
#     reads: [Batch*Get*, BatchGet*, Check*, Describe*, Discover*, Estimate*, Get*, Head*, List*, Lookup*, Preview*, Query*, Read*, Scan*, Search*, Select*, Simulate*, Validate*, Verify*, View*]
#     harmless: ['cloudwatch:PutMetricData', 'logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents', 'xray:PutTelemetryRecords', 'xray:PutTraceSegments', 'sts:GetCallerIdentity']
#   reads: [grants]
#   controls: [GB/T 22239-2019 8.1.4.2]
package duoyun.rules.dy_iam_004

import data.duoyun.lib.rights
import rego.v1

violations contains {"address": doc.address, "field": sprintf("grants[%d]", [n]), "message": message} if {
	some doc in input.documents
	some n, grant in doc.grants
	rights.unconfined(grant)
	some action in grant.actions
	rights.writes(action, input.parameters)
	message := sprintf("it may %s on everything", [action])
}
