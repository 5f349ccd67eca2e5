# METADATA
# title: Entry without TLS
# description: >-
#   Whoever sits on the way reads and changes what callers send, sign-in included.
# custom:
#   id: DY-K8S-026
#   severity: medium
#   mend: >-
#     Add a tls section with the host's certificate.
#   kinds: [kubernetes_object]
#   parameters:
#     tls_optional: false
#     https_annotations: []
#   reads: [manifest.spec, manifest.metadata.annotations]
#   controls: [GB/T 22239-2019 8.1.2.2]
package duoyun.rules.dy_k8s_026

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.tls", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "Ingress"
	not k8s.unknown(object.get(doc, ["manifest", "spec", "tls"], null))
	not input.parameters.tls_optional
	count(k8s.list(doc.manifest.spec, "tls")) == 0
	message := sprintf("%s has no tls section", [k8s.name(doc)])
}

violations contains {"address": doc.address, "field": "manifest.metadata.annotations", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "Ingress"
	count(input.parameters.https_annotations) > 0
	count(k8s.list(doc.manifest.spec, "tls")) == 0
	not k8s.unknown(object.get(doc, ["manifest", "metadata", "annotations"], null))
	not refuses_http(k8s.map(doc.manifest.metadata, "annotations"))
	message := sprintf("%s neither has TLS nor refuses plain HTTP", [k8s.name(doc)])
}

refuses_http(annotations) if {
	some key, value in annotations
	some pattern in input.parameters.https_annotations
	regex.match(pattern, sprintf("%s=%s", [key, value]))
}

refuses_http(annotations) if {
	some value in annotations
	k8s.unknown(value)
}
