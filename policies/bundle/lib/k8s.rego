# Pods and containers of any Kubernetes object that makes pods.
package duoyun.lib.k8s

import rego.v1

workloads := {"DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"}

# Workloads that serve for as long as they run, and so have probes.
serving := {"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"}

pod(document) := document.manifest.spec if document.manifest.kind == "Pod"

pod(document) := document.manifest.spec.template.spec if document.manifest.kind in workloads

pod(document) := document.manifest.spec.jobTemplate.spec.template.spec if document.manifest.kind == "CronJob"

# Where the pod's own fields stand in the document.
path(document) := "manifest.spec" if document.manifest.kind == "Pod"

path(document) := "manifest.spec.template.spec" if document.manifest.kind in workloads

path(document) := "manifest.spec.jobTemplate.spec.template.spec" if document.manifest.kind == "CronJob"

main_containers(document) := [container |
	some container in list(pod(document), "containers")
	is_object(container)
]

containers(document) := [at.container | some at in located(document)]

# What a manifest has there, where it is a list or a mapping; a key without a value is neither.
list(holder, field) := holder[field] if {
	is_array(holder[field])
} else := []

map(holder, field) := holder[field] if {
	is_object(holder[field])
} else := {}

# Each container with the path at which it stands.
# (The pod first: most objects make none, and cost nothing more then.)
located(document) := [{"container": container, "path": sprintf("%s.%s[%d]", [where, field, n])} |
	spec := pod(document)
	where := path(document)
	some field in ["initContainers", "containers", "ephemeralContainers"]
	some n, container in list(spec, field)
	is_object(container)
]

# A field of the container's security context, else of the pod's, else what is given.
setting(document, container, field, otherwise) := object.get(
	map(container, "securityContext"),
	field,
	object.get(map(pod(document), "securityContext"), field, otherwise),
)

# Whether the container's or the pod's security context is not known yet, in whole or in that field.
unsettled(document, container, field) if {
	some holder in [container, pod(document)]
	some value in [holder.securityContext, object.get(holder, ["securityContext", field], null)]
	unknown(value)
}

exempt(container, images) if {
	is_string(container.image)
	some pattern in images
	glob.match(pattern, null, container.image)
}

exempt(container, images) if {
	count(images) > 0
	unknown(container.image)
}

# A value that is known only after apply.
unknown(value) if value["$unknown"] == true

labels(document) := map(document.manifest.metadata, "labels")

namespace(document) := object.get(document.manifest.metadata, "namespace", "default")

name(document) := sprintf("%v %v", [document.manifest.kind, object.get(document.manifest.metadata, "name", "?")])
