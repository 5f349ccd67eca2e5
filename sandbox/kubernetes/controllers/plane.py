"""The control plane of a cluster: every controller, and what a cluster has from the start.

Callers: the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers.autoscaler import Autoscalers
from sandbox.kubernetes.controllers.budgets import Budgets
from sandbox.kubernetes.controllers.cronjob import CronJobs
from sandbox.kubernetes.controllers.daemonset import DaemonSets
from sandbox.kubernetes.controllers.deployment import Deployments
from sandbox.kubernetes.controllers.endpoints import EndpointSlices
from sandbox.kubernetes.controllers.events import Recorder
from sandbox.kubernetes.controllers.eviction import Evictions
from sandbox.kubernetes.controllers.garbage import GarbageCollector, Namespaces
from sandbox.kubernetes.controllers.job import Jobs
from sandbox.kubernetes.controllers.owners import Owners
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.controllers.quotas import Quotas
from sandbox.kubernetes.controllers.replicaset import ReplicaSets
from sandbox.kubernetes.controllers.scheduler import Scheduler
from sandbox.kubernetes.controllers.statefulset import StatefulSets
from sandbox.kubernetes.controllers.storage import Claims, default_class
from sandbox.kubernetes.kinds import NAMESPACES, PRIORITY_CLASSES, STORAGE_CLASSES

FIRST_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_SYSTEM_CLASSES = (
    ("system-cluster-critical", 2_000_000_000, "Used for system critical pods that must run in the cluster."),
    ("system-node-critical", 2_000_001_000, "Used for system critical pods that must not be moved from their node."),
)


class Controller(Protocol):
    """One control loop."""

    queue: Queue[Any]

    def start(self) -> None: ...


def controllers(api: Api, recorder: Recorder, wait_s: Callable[[int], float]) -> Sequence[Controller]:
    """All of them, not started. wait_s(failures): back-off of the pods of Jobs, in seconds."""
    owners = Owners(api.store)
    return (
        Namespaces(api),
        GarbageCollector(api, owners),
        Deployments(api, owners, recorder),
        ReplicaSets(api, owners, recorder),
        StatefulSets(api, owners, recorder),
        DaemonSets(api, owners, recorder),
        Jobs(api, owners, recorder, wait_s),
        CronJobs(api, owners, recorder),
        Autoscalers(api, recorder),
        Claims(api, recorder),
        Quotas(api),
        Evictions(api, recorder),
        Scheduler(api, recorder),
        EndpointSlices(api),
        Budgets(api),
    )


def first_objects(api: Api) -> None:
    """Puts into a new cluster what every cluster has."""
    for name in FIRST_NAMESPACES:
        api.system_create(NAMESPACES, {"metadata": {"name": name}}, "kube-apiserver")
    for name, value, text in _SYSTEM_CLASSES:
        row = {"metadata": {"name": name}, "value": value, "description": text}
        api.system_create(PRIORITY_CLASSES, row, "kube-apiserver")
    api.system_create(STORAGE_CLASSES, default_class(), "kube-apiserver")
