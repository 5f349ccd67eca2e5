"""How the engine may work: parallelism, time limits, back-off. Callers: commands, which map their flags to these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from model.plan import Action
from model.resources import AnyResource, Kind, KubernetesObject

# Upper bounds of what the clouds' own documentation and waiters allow for; a resource that is ready earlier is done
# earlier. Control planes: AWS's cluster waiter gives up after 20 min, AKS and ACK are usually done within 15.
DEFAULT_TIMEOUTS_S: Mapping[Kind, float] = {
    Kind.NETWORK: 300.0,
    Kind.SUBNET: 300.0,
    Kind.FIREWALL_GROUP: 300.0,
    Kind.CLUSTER: 1800.0,
    Kind.NODE_POOL: 1200.0,
    Kind.INSTANCE: 600.0,
    Kind.KUBERNETES_OBJECT: 120.0,
}
ROLLOUT_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
# Kubernetes' own default (kubernetes.io, "Deployments", Progress Deadline Seconds).
PROGRESS_DEADLINE_S = 600.0


def is_plain_object(resource: AnyResource) -> bool:
    """Whether it is an object of a cluster that runs nothing by itself."""
    return isinstance(resource, KubernetesObject) and resource.manifest.get("kind") not in ROLLOUT_KINDS


def _nothing(_name: str) -> None:
    """No checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """parallelism: actions under way at once. keep_going: a failure stops its dependants only (destroy, rollback).

    timeouts_s: per kind, for the whole action. rollout_slack_s: what a workload gets beyond its progress deadline, so
    that the cluster's own verdict, which says more, comes first. retry_base_s, retry_cap_s: back-off of what is tried
    again while a dependant still goes. stop_grace_s: how long a stop waits for calls under way. tick_s: how soon a stop
    is noticed. checkpoint: called with a name before and after every cloud call and record write; for kill tests.
    """

    parallelism: int = 32
    keep_going: bool = False
    timeouts_s: Mapping[Kind, float] = field(default_factory=lambda: dict(DEFAULT_TIMEOUTS_S))
    rollout_slack_s: float = 30.0
    retry_base_s: float = 0.5
    retry_cap_s: float = 10.0
    stop_grace_s: float = 15.0
    tick_s: float = 0.1
    checkpoint: Callable[[str], None] = _nothing

    def timeout_s(self, action: Action) -> float:
        """The action's time limit; a workload's follows its own progress deadline. A replace gets it twice."""
        limit_s = self.timeouts_s.get(action.address.kind, DEFAULT_TIMEOUTS_S[action.address.kind])
        rollout_s = _rollout_deadline_s(action.desired)
        if rollout_s is not None:
            limit_s = rollout_s + self.rollout_slack_s
        return limit_s * (2.0 if action.op == "replace" else 1.0)


def _rollout_deadline_s(desired: AnyResource | None) -> float | None:
    """None where it is no workload that rolls out."""
    if not isinstance(desired, KubernetesObject) or desired.manifest.get("kind") not in ROLLOUT_KINDS:
        return None
    spec: Mapping[str, Any] = desired.manifest.get("spec") or {}
    return float(spec.get("progressDeadlineSeconds") or PROGRESS_DEADLINE_S)
