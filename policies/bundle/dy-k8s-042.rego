# METADATA
# title: Kind of volume that is not allowed
# description: >-
#   These kinds name a server, a repository or a device from within the pod, past the storage
#   classes and their limits.
# custom:
#   id: DY-K8S-042
#   severity: medium
#   mend: >-
#     Use a persistentVolumeClaim, configMap, secret, projected or emptyDir volume.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     refused: [awsElasticBlockStore, azureDisk, azureFile, cephfs, cinder, fc, flexVolume, flocker, gcePersistentDisk, gitRepo, glusterfs, iscsi, nfs, photonPersistentDisk, portworxVolume, quobyte, rbd, scaleIO, storageos, vsphereVolume]
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_042

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": sprintf("%s.volumes[%d]", [k8s.path(doc), n]), "message": message} if {
	some doc in input.documents
	some n, volume in k8s.list(k8s.pod(doc), "volumes")
	is_object(volume)
	some kind, _ in volume
	kind in input.parameters.refused
	message := sprintf("%s mounts a volume of kind %s", [k8s.name(doc), kind])
}
