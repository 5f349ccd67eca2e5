# METADATA
# title: No disruption budget
# description: >-
#   When nodes are drained, all replicas may go at once.
# custom:
#   id: DY-K8S-032
#   severity: low
#   mend: >-
#     Add a PodDisruptionBudget that keeps one or more.
#   kinds: [kubernetes_object]
#   reads: [manifest.spec.replicas]
#   controls: [GB/T 22239-2019 8.1.2.1]
package duoyun.rules.dy_k8s_032

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec", "message": message} if {
	not something_unknown
	some doc in input.documents
	doc.manifest.kind in {"Deployment", "StatefulSet"}
	doc.manifest.spec.replicas > 1
	is_number(doc.manifest.spec.replicas)
	not budgeted(doc)
	message := sprintf("no PodDisruptionBudget covers %s", [k8s.name(doc)])
}

# What is not known yet may be the budget.
something_unknown if {
	some other in input.documents
	k8s.unknown(other.manifest)
}

budgets contains [k8s.namespace(budget), k8s.map(k8s.map(budget.manifest.spec, "selector"), "matchLabels")] if {
	some budget in input.documents
	budget.manifest.kind == "PodDisruptionBudget"
}

# Most budgets select as their workload does: found without a look at each of them.
# equivalent: the definition below finds these too, after a look at every budget for every workload.
budgeted(doc) if {
	selector := k8s.map(k8s.map(doc.manifest.spec, "selector"), "matchLabels")
	[k8s.namespace(doc), selector] in budgets
	covered(selector, labels_of(doc))
}

budgeted(doc) if {
	labels := labels_of(doc)
	some [namespace, selector] in budgets
	agrees(namespace, k8s.namespace(doc))
	covered(selector, labels)
}

labels_of(doc) := k8s.map(k8s.map(doc.manifest.spec.template, "metadata"), "labels")

covered(selector, labels) if every key, value in selector {
	agrees(value, object.get(labels, key, null))
}

agrees(wanted, given) if wanted == given

agrees(wanted, _) if k8s.unknown(wanted)

agrees(_, given) if k8s.unknown(given)
