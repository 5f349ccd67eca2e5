"""Kinds of objects and their URLs. Built-in ones from a table, others (`HTTPRoute.gateway.networking.k8s.io`) by
discovery. Source of the table: kubernetes.io/docs/reference/kubernetes-api."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ApiKind:
    """name is what stands in addresses: the kind, or `Kind.group` where it is not built in."""

    name: str
    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As RBAC names it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if namespace and self.namespaced:
            base += f"/namespaces/{quote(namespace, safe='')}"
        base += f"/{self.plural}"
        for part in (name, subresource):
            base += f"/{quote(part, safe=':')}" if part else ""
        return base


def _kind(group: str, version: str, kind: str, plural: str, namespaced: bool = True) -> ApiKind:
    return ApiKind(kind, group, version, kind, plural, namespaced)


BUILT_IN: Final = {
    k.name: k
    for k in (
        _kind("", "v1", "Namespace", "namespaces", namespaced=False),
        _kind("", "v1", "ServiceAccount", "serviceaccounts"),
        _kind("", "v1", "ConfigMap", "configmaps"),
        _kind("", "v1", "Secret", "secrets"),
        _kind("", "v1", "Service", "services"),
        _kind("", "v1", "Pod", "pods"),
        _kind("", "v1", "Event", "events"),
        _kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        _kind("", "v1", "ResourceQuota", "resourcequotas"),
        _kind("", "v1", "LimitRange", "limitranges"),
        _kind("apps", "v1", "Deployment", "deployments"),
        _kind("apps", "v1", "ReplicaSet", "replicasets"),
        _kind("apps", "v1", "StatefulSet", "statefulsets"),
        _kind("apps", "v1", "DaemonSet", "daemonsets"),
        _kind("batch", "v1", "Job", "jobs"),
        _kind("batch", "v1", "CronJob", "cronjobs"),
        _kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
        _kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
        _kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
        _kind("networking.k8s.io", "v1", "Ingress", "ingresses"),
        _kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
        _kind("rbac.authorization.k8s.io", "v1", "Role", "roles"),
        _kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    )
}

# What duoyun renders itself: always listed.
RENDERED: Final = (
    "Namespace",
    "ServiceAccount",
    "Service",
    "EndpointSlice",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Deployment",
)
# What pre-rendered manifests bring most often: listed as well, so that they can be pruned and compared.
COMMON: Final = (
    "ConfigMap",
    "PersistentVolumeClaim",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Role",
    "RoleBinding",
)
