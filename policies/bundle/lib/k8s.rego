# Pods and containers of any Kubernetes object that makes pods.
package duoyun.lib.k8s

import rego.v1

workloads := {"DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"}

# Workloads that serve for as long as they run, and so have probes.
serving := {"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"}

pod(document) := document.manifest.spec if document.manifest.kind == "Pod"

pod(document) := document.manifest.spec.template.spec if document.manifest.kind in workloads

pod(document) := document.manifest.spec.jobTemplate.spec.template.spec if document.manifest.kind == "CronJob"

main_containers(document) := object.get(pod(document), "containers", [])

containers(document) := [container |
	some field in ["initContainers", "containers", "ephemeralContainers"]
	some container in object.get(pod(document), field, [])
]

# A value that is known only after apply.
unknown(value) if value["$unknown"] == true

name(document) := sprintf("%v %v", [document.manifest.kind, document.manifest.metadata.name])
