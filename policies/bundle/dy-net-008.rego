# METADATA
# title: Public entry in the mainland without an ICP filing
# description: >-
#   A public entry in mainland China needs an ICP filing (Measures for the Administration of Internet
#   Information Services, State Council decree 292); without it the cloud blocks it.
# custom:
#   id: DY-NET-008
#   severity: high
#   mend: >-
#     Place the service where the fleet's region says icp: true, or file for the region and say so in the
#     fleet.
#   kinds: [kubernetes_object, service_placement]
#   apart: true
#   stage: network
#   parameters:
#     countries: [CN]
#     internal_annotations: ["load-balancer-(internal|scheme|address-type)=(true|internal|intranet)$"]
#   reads: [manifest.spec.type, manifest.metadata.annotations, public, sites]
package duoyun.rules.dy_net_008

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": "manifest.spec.type", "message": message} if {
	some doc in input.documents
	doc.manifest.kind == "Service"
	doc.manifest.spec.type == "LoadBalancer"
	not stays_inside(doc)
	doc.country in input.parameters.countries
	doc.icp == false
	message := sprintf("a public load balancer in %s, which has no ICP filing", [doc.region])
}

violations contains {"address": doc.address, "field": "sites", "message": message} if {
	some doc in input.documents
	doc.public == true
	some site in k8s.list(doc, "sites")
	site.country in input.parameters.countries
	site.icp == false
	message := sprintf("its public entry would be in %s, which has no ICP filing", [site.site])
}

# Load balancers that stay inside say so by an annotation; which ones is a parameter, so that no cloud is named here.
stays_inside(doc) if {
	some _, value in k8s.map(doc.manifest.metadata, "annotations")
	not is_string(value) # not known yet
}

stays_inside(doc) if {
	some key, value in k8s.map(doc.manifest.metadata, "annotations")
	some pattern in input.parameters.internal_annotations
	regex.match(pattern, sprintf("%s=%s", [key, value]))
}
