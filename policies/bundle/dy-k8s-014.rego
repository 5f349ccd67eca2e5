# METADATA
# title: File system of the image can be written to
# description: >-
#   Who gets in leaves his tools there.
# custom:
#   id: DY-K8S-014
#   severity: low
#   mend: >-
#     Set securityContext.readOnlyRootFilesystem: true; mount an emptyDir where it writes.
#   kinds: [kubernetes_object]
#   wants: {securityContext.readOnlyRootFilesystem: true}
#   objects: [pods]
#   reads: [manifest.spec]
#   controls: [GB/T 22239-2019 8.1.4.7]
package duoyun.rules.dy_k8s_014

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": at.path, "message": message} if {
	some doc in input.documents
	some at in k8s.located(doc)
	container := at.container
	not k8s.unsettled(doc, container, "readOnlyRootFilesystem")
	not container.securityContext.readOnlyRootFilesystem == true
	message := sprintf("container %s of %s can change the files of its image", [container.name, k8s.name(doc)])
}
