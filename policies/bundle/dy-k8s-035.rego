# METADATA
# title: Kernel setting changed
# description: >-
#   Kernel settings of a pod may hit its neighbours on the node; only those that Kubernetes calls
#   safe are each pod's own.
# custom:
#   id: DY-K8S-035
#   severity: medium
#   mend: >-
#     Take it out, or have it allowed for the nodes that need it.
#   kinds: [kubernetes_object]
#   objects: [pods]
#   parameters:
#     allowed: [kernel.shm_rmid_forced, net.ipv4.ip_local_port_range, net.ipv4.ip_local_reserved_ports, net.ipv4.ip_unprivileged_port_start, net.ipv4.ping_group_range, net.ipv4.tcp_fin_timeout, net.ipv4.tcp_keepalive_intvl, net.ipv4.tcp_keepalive_probes, net.ipv4.tcp_keepalive_time, net.ipv4.tcp_rmem, net.ipv4.tcp_syncookies, net.ipv4.tcp_wmem]
#     forbidden: []
#   reads: [manifest.spec]
package duoyun.rules.dy_k8s_035

import data.duoyun.lib.k8s
import rego.v1

violations contains {"address": doc.address, "field": sprintf("%s.securityContext.sysctls", [k8s.path(doc)]), "message": message} if {
	some doc in input.documents
	some entry in k8s.list(k8s.pod(doc).securityContext, "sysctls")
	is_string(entry.name)
	refused(entry.name)
	message := sprintf("%s sets %s", [k8s.name(doc), entry.name])
}

refused(name) if listed(name, input.parameters.forbidden)

refused(name) if not listed(name, input.parameters.allowed)

listed(name, patterns) if {
	some pattern in patterns
	glob.match(pattern, null, name)
}
