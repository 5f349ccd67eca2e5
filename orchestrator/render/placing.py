"""On which nodes a Deployment's pods may and should run: its site, its architecture, its planned node pools. Pure.

Callers: pod. Zones, regions and clouds are kept by the number of replicas of each zone's Deployment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from model.resources import LABEL_SITE
from model.spec.app import Application, Service
from model.spec.fleet import Site
from orchestrator.render.names import selector_labels, site_label
from orchestrator.render.spot import is_split

HOSTNAME: Final = "kubernetes.io/hostname"
ARCH: Final = "kubernetes.io/arch"
MORE_THAN_ALL_NODES: Final = 1_000_000
CONFIG_HASH: Final = "duoyun.dev/config-hash"


@dataclass(frozen=True, slots=True)
class PodTies:
    """What a Deployment's pods prefer. weights: (node label, value) -> 1 to 100. max_skew: of the soft spread over
    nodes. most: pods on one node, as a hard rule; None for none."""

    weights: Mapping[tuple[str, str], int]
    max_skew: int = 1
    most: int | None = None


UNTIED: Final = PodTies({})


def _each_version(service: Service) -> list[str]:
    """An old and a new version pass each other. Two Deployments have two templates, and one version."""
    return [CONFIG_HASH if is_split(service) else "pod-template-hash"]


def node_limit(app: Application, service: Service, most: int) -> dict[str, Any]:
    """No node carries more than so many of the service's replicas."""
    return {
        "maxSkew": most,
        # Below minDomains domains the least loaded one counts as empty (Kubernetes, "Pod Topology Spread
        # Constraints"), so maxSkew is an upper limit for each node.
        "minDomains": MORE_THAN_ALL_NODES,
        "topologyKey": HOSTNAME,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": selector_labels(app, service.name)},
        "matchLabelKeys": _each_version(service),
    }


def on_nodes(
    app: Application, service: Service, site: Site, tied: PodTies, at_site: Mapping[str, str]
) -> dict[str, Any]:
    """The parts of a pod's spec that say where in its site it runs. at_site: what tells its Deployment's pods apart."""
    label = {LABEL_SITE: site_label(site.id)}
    spread = {
        "maxSkew": tied.max_skew,
        "topologyKey": HOSTNAME,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector_labels(app, service.name) | dict(at_site)},
        "matchLabelKeys": ["pod-template-hash"],
    }
    limits = [most for most in (service.most_on_a_node, tied.most) if most is not None]
    rules = [spread, node_limit(app, service, min(limits))] if limits else [spread]
    found: dict[str, Any] = {
        "nodeSelector": label | _architecture(app, service),
        "topologySpreadConstraints": rules,
    }
    if tied.weights:
        preferred = "preferredDuringSchedulingIgnoredDuringExecution"
        found["affinity"] = {"nodeAffinity": {preferred: _preferred(tied.weights)}}
    return found


def _preferred(weights: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """One term for the nodes of equal weight, the heaviest first: the scheduler adds up the terms that match."""
    groups: dict[tuple[int, str], list[str]] = {}
    for (label, value), weight in weights.items():
        groups.setdefault((-weight, label), []).append(value)
    return [
        {
            "weight": -minus,
            "preference": {"matchExpressions": [{"key": label, "operator": "In", "values": sorted(values)}]},
        }
        for (minus, label), values in sorted(groups.items())
    ]


def _architecture(app: Application, service: Service) -> dict[str, str]:
    """Where other services bring nodes of another architecture, those of its own; its image exists for no other."""
    every = {a for s in app.spec.services for a in s.architectures}
    mine = set(service.architectures)
    return {ARCH: next(iter(mine))} if len(mine) == 1 and every | {"amd64"} != mine else {}
