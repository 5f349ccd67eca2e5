# METADATA
# title: Rights for strangers
# description: >-
#   These names stand for callers who have not signed in, or for everybody who has.
# custom:
#   id: DY-K8S-023
#   severity: critical
#   mend: >-
#     Bind the role to the accounts that need it.
#   kinds: [kubernetes_object]
#   parameters:
#     allowed_roles: ['system:public-info-viewer']
#     also_authenticated: false
#   reads: [manifest.roleRef, manifest.subjects]
#   controls: [GB/T 22239-2019 8.1.4.1]
package duoyun.rules.dy_k8s_023

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.subjects", "message": message} if {
	some doc in input.documents
	doc.manifest.kind in {"RoleBinding", "ClusterRoleBinding"}
	not doc.manifest.roleRef.name in input.parameters.allowed_roles
	some subject in k8s.list(doc.manifest, "subjects")
	subject.name in nobody
	message := sprintf("%s gives %v to %s", [k8s.name(doc), doc.manifest.roleRef.name, subject.name])
}

nobody contains "system:anonymous"

nobody contains "system:unauthenticated"

nobody contains "system:authenticated" if input.parameters.also_authenticated == true
