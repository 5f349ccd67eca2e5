"""The part of a service that may be on spot machines: how many replicas, and what its pods need to get there.

Nothing in Kubernetes caps the share of a Deployment's pods on some nodes: topology spread limits every domain alike,
and affinity does not count. So where a service may have only a share of a site's replicas there, it has two
Deployments: spot nodes are tainted, and only the pods of the second tolerate that. They prefer spot nodes and may be on
others, so that they find room elsewhere when a spot machine is taken back. Callers: services.py, pod.py. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model.resources import LABEL_CAPACITY, LABEL_SITE, SPOT_TAINT, Capacity
from model.spec.app import Service
from model.spec.fleet import Site
from orchestrator.registry import CLOUDS
from orchestrator.render.names import SPOT_SUFFIX, site_label, zone_suffix

# Instead of LABEL_SITE on the pods of the second Deployment: selectors of two Deployments must not overlap, and that of
# the first cannot be changed once it is there.
LABEL_SPOT_SITE: Final = "duoyun.dev/spot-site"
_HOSTNAME: Final = "kubernetes.io/hostname"
_NO_LIMIT: Final = 1_000_000


def is_split(service: Service) -> bool:
    """Whether its part on spot machines has a Deployment of its own. One that may be there whole needs no cap."""
    return 0 < service.placement.max_spot_share < 1


def parts_of(service: Service, replicas: int, on_spot: int) -> tuple[tuple[int, bool], ...]:
    """(replicas, whether they may be on spot machines) for each Deployment of a site, the tolerant one first.

    on_spot: how many the plan puts on spot machines there; at most as many are let there.
    """
    if not on_spot or not replicas:
        return ((replicas, False),) if replicas else ()
    if not is_split(service):
        return ((replicas, True),)
    return tuple(
        (count, spot) for count, spot in ((min(on_spot, replicas), True), (replicas - on_spot, False)) if count > 0
    )


def site_labels(service: Service, site: Site, *, spot: bool) -> dict[str, str]:
    """What tells the pods of one Deployment of a service from those of its others."""
    return {LABEL_SPOT_SITE if spot and is_split(service) else LABEL_SITE: site_label(site.id)}


def deployment_name(service: Service, site: Site, *, spot: bool) -> str:
    return f"{service.name}-{zone_suffix(site)}{SPOT_SUFFIX if spot and is_split(service) else ''}"


def tolerations(site: Site) -> list[dict[str, Any]]:
    """Of the taint that duoyun puts on spot nodes, and of the one that the cloud puts there itself."""
    return [_toleration(text) for text in (SPOT_TAINT, CLOUDS[site.cloud].spot_taint) if text]


def _toleration(taint: str) -> dict[str, Any]:
    head, _, effect = taint.rpartition(":")
    key, _, value = head.partition("=")
    return {"key": key, "operator": "Equal", "value": value, "effect": effect}


def at_spot(spec: Mapping[str, Any], site: Site, labels: Mapping[str, str]) -> dict[str, Any]:
    """A pod's spec that may be on spot nodes and prefers them.

    The soft spread over nodes goes: kube-scheduler weighs it as much as this preference, so that pods would be put on
    nodes that the plan means for others. One that limits nothing stays, or the cluster's own soft defaults would apply.
    """
    hard = [c for c in spec["topologySpreadConstraints"] if c["whenUnsatisfiable"] == "DoNotSchedule"]
    free = {
        "maxSkew": _NO_LIMIT,
        "topologyKey": _HOSTNAME,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": dict(labels)},
    }
    wish = {"matchExpressions": [{"key": LABEL_CAPACITY, "operator": "In", "values": [str(Capacity.SPOT)]}]}
    affinity = spec.get("affinity") or {}
    nodes = affinity.get("nodeAffinity") or {}
    # In place of other preferences, which would count as much.
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": wish}]}
    return {
        **spec,
        "affinity": {**affinity, "nodeAffinity": {**nodes, **preferred}},
        "tolerations": tolerations(site),
        "topologySpreadConstraints": hard or [free],
    }
