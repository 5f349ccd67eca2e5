# METADATA
# title: API version that is gone
# description: >-
#   The cluster refuses it, at the upgrade or already now.
# custom:
#   id: DY-K8S-033
#   severity: medium
#   mend: >-
#     Use the version that took its place (Kubernetes' Deprecated API Migration Guide).
#   kinds: [kubernetes_object]
#   parameters:
#     removed: {'^apps/v1beta[12] ': '1.16', ^extensions/v1beta1 (DaemonSet|Deployment|NetworkPolicy|PodSecurityPolicy|ReplicaSet)$: '1.16', '^(extensions|networking[.]k8s[.]io)/v1beta1 Ingress$': '1.22', '^rbac[.]authorization[.]k8s[.]io/v1(alpha|beta)1 ': '1.22', ? '^(admissionregistration|apiextensions|apiregistration)[.]k8s[.]io/v1beta1 (Mutating|Validating|CustomResourceDefinition|APIService)' : '1.22', '^policy/v1beta1 ': '1.25', ^batch/v1beta1 CronJob$: '1.25', '^autoscaling/v2beta1 ': '1.25', '^autoscaling/v2beta2 ': '1.26'}
#   reads: [manifest.apiVersion, manifest.kind]
package duoyun.rules.dy_k8s_033

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.apiVersion", "message": message} if {
	some doc in input.documents
	some pattern, since in input.parameters.removed
	regex.match(pattern, sprintf("%s %s", [doc.manifest.apiVersion, doc.manifest.kind]))
	message := sprintf("%s uses %s, removed in Kubernetes %s", [k8s.name(doc), doc.manifest.apiVersion, since])
}
