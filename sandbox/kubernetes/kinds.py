"""The resources that a cluster of the sandbox serves: names, groups, models and subresources.

A kind whose controller is missing here (ReplicationController, CustomResourceDefinition, ...) is absent, so that nobody
waits for what nobody makes. Kinds that have no controller in a plain cluster either (NetworkPolicy, Ingress, RBAC) are
stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One resource. model: class name in the official client's models; subresources beside the object itself."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    model: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources


def _core(
    kind: str, plural: str, *short: str, namespaced: bool = True, subs: str = "", all_: bool = False
) -> ResourceKind:
    return ResourceKind(
        "", "v1", kind, plural, kind.lower(), f"V1{kind}" if kind != "Event" else "CoreV1Event", namespaced, short,
        ("all",) if all_ else (), tuple(subs.split()),
    )  # fmt: skip


def _named(
    group: str, kind: str, plural: str, *short: str, namespaced: bool = True, subs: str = "", all_: bool = False,
    version: str = "v1",
) -> ResourceKind:  # fmt: skip
    return ResourceKind(
        group, version, kind, plural, kind.lower(), f"{version.upper()}{kind}", namespaced, short,
        ("all",) if all_ else (), tuple(subs.split()),
    )  # fmt: skip


_RBAC = "rbac.authorization.k8s.io"
KINDS: Final[tuple[ResourceKind, ...]] = (
    _core("Namespace", "namespaces", "ns", namespaced=False, subs="status finalize"),
    _core("Node", "nodes", "no", namespaced=False, subs="status"),
    _core("Pod", "pods", "po", subs="status log proxy eviction portforward", all_=True),
    _core("Service", "services", "svc", subs="status proxy", all_=True),
    _core("ServiceAccount", "serviceaccounts", "sa"),
    _core("ConfigMap", "configmaps", "cm"),
    _core("Secret", "secrets"),
    _core("Event", "events", "ev"),
    _core("Endpoints", "endpoints", "ep"),
    _core("LimitRange", "limitranges", "limits"),
    _core("ResourceQuota", "resourcequotas", "quota", subs="status"),
    _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subs="status"),
    _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False, subs="status"),
    _named("apps", "Deployment", "deployments", "deploy", subs="status scale", all_=True),
    _named("apps", "ReplicaSet", "replicasets", "rs", subs="status scale", all_=True),
    _named("apps", "StatefulSet", "statefulsets", "sts", subs="status scale", all_=True),
    _named("apps", "DaemonSet", "daemonsets", "ds", subs="status", all_=True),
    _named("apps", "ControllerRevision", "controllerrevisions"),
    _named("batch", "Job", "jobs", subs="status", all_=True),
    _named("batch", "CronJob", "cronjobs", "cj", subs="status", all_=True),
    _named(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "hpa",
        subs="status",
        all_=True,
        version="v2",
    ),
    _named("discovery.k8s.io", "EndpointSlice", "endpointslices"),
    _named("policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", subs="status"),
    _named("networking.k8s.io", "NetworkPolicy", "networkpolicies", "netpol"),
    _named("networking.k8s.io", "Ingress", "ingresses", "ing", subs="status"),
    _named("networking.k8s.io", "IngressClass", "ingressclasses", namespaced=False),
    _named("scheduling.k8s.io", "PriorityClass", "priorityclasses", "pc", namespaced=False),
    _named("storage.k8s.io", "StorageClass", "storageclasses", "sc", namespaced=False),
    _named("coordination.k8s.io", "Lease", "leases"),
    _named(_RBAC, "Role", "roles"),
    _named(_RBAC, "RoleBinding", "rolebindings"),
    _named(_RBAC, "ClusterRole", "clusterroles", namespaced=False),
    _named(_RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
)
BY_PLURAL: Final[Mapping[str, ResourceKind]] = {k.plural: k for k in KINDS}
BY_PATH: Final[Mapping[tuple[str, str, str], ResourceKind]] = {(k.group, k.version, k.plural): k for k in KINDS}
BY_KIND: Final[Mapping[str, ResourceKind]] = {k.kind: k for k in KINDS}
# Kinds for which metadata.generation counts changes of the spec.
GENERATION: Final = frozenset(
    {
        "CronJob", "DaemonSet", "Deployment", "Ingress", "IngressClass", "Job", "NetworkPolicy", "PodDisruptionBudget",
        "PriorityClass", "ReplicaSet", "StatefulSet",
    }
)  # fmt: skip

NAMESPACES, NODES, PODS, SERVICES = (BY_PLURAL[p] for p in ("namespaces", "nodes", "pods", "services"))
SERVICE_ACCOUNTS, EVENTS = BY_PLURAL["serviceaccounts"], BY_PLURAL["events"]
DEPLOYMENTS, REPLICASETS = BY_PLURAL["deployments"], BY_PLURAL["replicasets"]
STATEFULSETS, DAEMONSETS, REVISIONS = (BY_PLURAL[p] for p in ("statefulsets", "daemonsets", "controllerrevisions"))
JOBS, CRONJOBS, AUTOSCALERS = (BY_PLURAL[p] for p in ("jobs", "cronjobs", "horizontalpodautoscalers"))
ENDPOINTSLICES, ENDPOINTS = BY_PLURAL["endpointslices"], BY_PLURAL["endpoints"]
CONFIGMAPS, SECRETS = BY_PLURAL["configmaps"], BY_PLURAL["secrets"]
QUOTAS, LIMITRANGES = BY_PLURAL["resourcequotas"], BY_PLURAL["limitranges"]
CLAIMS, VOLUMES, STORAGE_CLASSES = (
    BY_PLURAL[p] for p in ("persistentvolumeclaims", "persistentvolumes", "storageclasses")
)
PRIORITY_CLASSES = BY_PLURAL["priorityclasses"]
BUDGETS = BY_PLURAL["poddisruptionbudgets"]
