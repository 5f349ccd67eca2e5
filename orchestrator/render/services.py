"""A service as the objects of one cluster: account, Deployments, Services, disruption budget, network policy.

One Deployment per site (a zone), not one with topology spread: placement decides an exact count per zone, which
spread constraints cannot express, and a canary or an evacuation of one zone then touches one object. A second one where
a share of the zone's replicas is on spot machines (spot.py).
Callers: the planner. Not here: remote dependencies (dependencies.py), pre-rendered manifests (prerendered.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.errors import Diagnostic
from model.resources import LABEL_APP, LABEL_SERVICE, LABEL_SITE, KubernetesObject
from model.spec.app import Application, Port, Service
from model.spec.fleet import Site
from orchestrator.render.names import (
    as_object,
    cluster_of,
    label_mistakes,
    object_labels,
    refuse,
    selector_labels,
    site_label,
)
from orchestrator.render.placing import CONFIG_HASH, UNTIED, PodTies
from orchestrator.render.pod import pod_template, whole_seconds
from orchestrator.render.spot import deployment_name, parts_of, site_labels

__all__ = ["CONFIG_HASH", "render_namespace", "render_service"]

HISTORY_LIMIT = 5
FOREIGN_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
# Namespaces with this label may call every service: gateways from other sites, monitoring.
LABEL_ADMIT: Final = "duoyun.dev/admit"


def render_namespace(app: Application, cluster: str = "main") -> KubernetesObject:
    """The application's namespace, with Pod Security admission at `restricted`.

    Where a service brings pre-rendered manifests, which may know nothing of it, `baseline` is enforced and
    `restricted` only warned about.
    """
    mistakes = label_mistakes(app.metadata.labels, "metadata.labels")
    if app.namespace in FOREIGN_NAMESPACES:
        mistakes.append(
            Diagnostic("", f"namespace {app.namespace} belongs to the cluster", "give the application one of its own")
        )
    refuse(mistakes)
    enforce = "baseline" if any(s.manifests for s in app.spec.services) else "restricted"
    security = {
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/enforce": enforce,
        "pod-security.kubernetes.io/warn": "restricted",
    }
    metadata = {"name": app.namespace, "labels": dict(sorted({**object_labels(app), **security}.items()))}
    return as_object(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def render_service(
    app: Application,
    service: Service,
    replicas_by_site: Mapping[str, int],
    sites: Sequence[Site],
    *,
    image: str = "",
    on_spot: Mapping[str, int] | None = None,
    public_annotations: Mapping[str, str] | None = None,
    network_policy: bool = True,
    ties: Mapping[str, PodTies] | None = None,
) -> tuple[KubernetesObject, ...]:
    """All objects of a service in the one cluster that `sites` share, in the order in which they are to be applied.

    replicas_by_site: site id -> count; sites of other clusters and counts of 0 are ignored; nothing at all is
    rendered where no replica falls on this cluster, or where the service brings its own manifests. image: replaces
    the spec's (resolved to a digest). on_spot: site id -> how many of the replicas the plan puts on spot machines. The
    `<service>-public` load balancer carries public_annotations. ties: site id -> what its pods prefer. Raises
    InvalidInput with every mistake.
    """
    refuse(label_mistakes(app.metadata.labels, "metadata.labels") + _service_mistakes(app, service))
    cluster = cluster_of(sites)
    here = [s for s in sites if replicas_by_site.get(s.id, 0) > 0]
    if not here or service.manifests:
        return ()
    manifests = [_service_account(app, service), *_services(app, service, public_annotations or {})]
    if network_policy:
        manifests.append(_network_policy(app, service))
    if sum(replicas_by_site[s.id] for s in here) > 1:
        manifests.append(_disruption_budget(app, service))
    tied = ties or {}
    for site in here:
        for count, spot in parts_of(service, replicas_by_site[site.id], (on_spot or {}).get(site.id, 0)):
            nodes = tied.get(site.id, UNTIED)
            manifests.append(_deployment(app, service, site, count, image or service.image, nodes, spot=spot))
    return tuple(as_object(cluster, manifest) for manifest in manifests)


def _metadata(app: Application, service: Service, name: str, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
    labels = object_labels(app, service.name) | dict(extra or {})
    return {"name": name, "namespace": app.namespace, "labels": dict(sorted(labels.items()))}


def _service_mistakes(app: Application, service: Service) -> list[Diagnostic]:
    where = f"service {service.name}"
    found: list[Diagnostic] = []
    rollout = service.rollout
    if _is_zero(rollout.max_surge) and _is_zero(rollout.max_unavailable):
        found.append(
            Diagnostic("", f"{where}: max_surge and max_unavailable are both 0", "a rollout needs one of them above 0")
        )
    if whole_seconds(rollout.progress_deadline) <= whole_seconds(rollout.min_ready, 0):
        found.append(
            Diagnostic("", f"{where}: progress_deadline is not above min_ready", "raise rollout.progress_deadline")
        )
    names = {s.name for s in app.spec.services} | {e.name for e in app.spec.externals}
    if _public_ports(service) and public_name(service) in names:
        found.append(
            Diagnostic("", f"{where}: its public entry would be named {public_name(service)}, as something else is")
        )
    return found


def _is_zero(amount: str | int) -> bool:
    return str(amount).strip().rstrip("%") == "0"


def _count_or_share(amount: str | int) -> str | int:
    return int(amount) if str(amount).isdigit() else amount


def public_name(service: Service) -> str:
    """Name of the load balancer's Service."""
    return f"{service.name}-public"


def _public_ports(service: Service) -> list[Port]:
    return [p for p in service.ports if p.public]


def _service_account(app: Application, service: Service) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(app, service, service.name),
        "automountServiceAccountToken": False,
    }


def service_port(port: Port) -> dict[str, Any]:
    """A Service's port that reaches the container's port of the same number."""
    return {"name": port.name, "port": port.port, "targetPort": port.port, "protocol": port.protocol.upper()}


def _services(app: Application, service: Service, public_annotations: Mapping[str, str]) -> list[dict[str, Any]]:
    if not service.ports:
        return []
    selector = selector_labels(app, service.name)
    made = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata(app, service, service.name),
            "spec": {
                "type": "ClusterIP",
                "selector": selector,
                "ports": [service_port(p) for p in service.ports],
                # Calls stay in their zone where they can: what placing counts on when it prices traffic.
                "trafficDistribution": "PreferClose",
            },
        }
    ]
    public = _public_ports(service)
    if public:
        metadata = _metadata(app, service, public_name(service))
        if public_annotations:
            metadata["annotations"] = dict(sorted(public_annotations.items()))
        spec = {"type": "LoadBalancer", "selector": selector, "ports": [service_port(p) for p in public]}
        made.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    return made


def _network_policy(app: Application, service: Service) -> dict[str, Any]:
    """Ingress from declared callers, from kube-system (probes and the API server's proxy come from there or from the
    node itself) and from namespaces labelled LABEL_ADMIT; public ports from anywhere."""
    callers = sorted(s.name for s in app.spec.services if any(d.name == service.name for d in s.depends_on))
    peers: list[dict[str, Any]] = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
        {"namespaceSelector": {"matchLabels": {LABEL_ADMIT: "true"}}},
    ]
    if callers:
        expression = {"key": LABEL_SERVICE, "operator": "In", "values": callers}
        peers.insert(0, {"podSelector": {"matchLabels": {LABEL_APP: app.name}, "matchExpressions": [expression]}})
    ingress: list[dict[str, Any]] = [{"from": peers}]
    public = _public_ports(service)
    if public:
        ingress.append({"ports": [{"port": p.port, "protocol": p.protocol.upper()} for p in public]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(app, service, service.name),
        "spec": {
            "podSelector": {"matchLabels": selector_labels(app, service.name)},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }


def _disruption_budget(app: Application, service: Service) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(app, service, service.name),
        "spec": {
            "maxUnavailable": "25%",  # rounded up: at least one pod can always be moved
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector_labels(app, service.name)},
        },
    }


def _deployment(
    app: Application, service: Service, site: Site, replicas: int, image: str, tied: PodTies, *, spot: bool
) -> dict[str, Any]:
    rollout = service.rollout
    of_site = {LABEL_SITE: site_label(site.id)}
    name = deployment_name(service, site, spot=spot)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(app, service, name, of_site),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": HISTORY_LIMIT,
            "progressDeadlineSeconds": whole_seconds(rollout.progress_deadline),
            **({"minReadySeconds": whole_seconds(rollout.min_ready)} if rollout.min_ready > 0 else {}),
            "selector": {"matchLabels": selector_labels(app, service.name) | site_labels(service, site, spot=spot)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {
                    "maxSurge": _count_or_share(rollout.max_surge),
                    "maxUnavailable": _count_or_share(rollout.max_unavailable),
                },
            },
            "template": pod_template(app, service, site, image, tied, spot=spot),
        },
    }
