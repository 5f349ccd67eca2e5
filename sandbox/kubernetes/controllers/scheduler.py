"""The scheduler: binds pending pods to nodes, and tells those for which there is no room.

Callers: the cluster. Event-driven: a pod that fits nowhere is tried again when a node or a pod changes. What fits is
decided in fit.py.
"""

from __future__ import annotations

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers.events import NORMAL, WARNING, Recorder
from sandbox.kubernetes.controllers.fit import Slot, choose
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.controllers.replicaset import condition
from sandbox.kubernetes.kinds import NODES, PODS
from sandbox.kubernetes.store import DELETED, Change, Object

NAME = "default-scheduler"
MANAGER = "kube-scheduler"
_ALL = "all"


def has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


class Scheduler:
    """The controller; its one key means: look at all pending pods."""

    def __init__(self, api: Api, recorder: Recorder) -> None:
        self._api, self._recorder = api, recorder
        self._pending: set[tuple[str, str]] = set()
        self.queue: Queue[str] = Queue(NAME, self._schedule)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for pod in self._api.store.list(PODS):
            if self._is_pending(pod):
                self._pending.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))
        self.queue.add(_ALL)

    @staticmethod
    def _is_pending(pod: Object) -> bool:
        spec = pod["spec"]
        wanted = spec.get("schedulerName", NAME) == NAME and not spec.get("schedulingGates")
        return wanted and not spec.get("nodeName") and not pod["metadata"].get("deletionTimestamp")

    def _changed(self, change: Change) -> None:
        if change.kind is NODES:
            if self._pending:
                self.queue.add(_ALL)
        elif change.kind is PODS:
            if change.type != DELETED and self._is_pending(change.obj):
                self._pending.add(change.key)
                if change.old is None or change.old["spec"] != change.obj["spec"]:
                    self.queue.add(_ALL)
                return
            self._pending.discard(change.key)
            freed = change.type == DELETED or has_ended(change.obj)
            if self._pending and freed:
                self.queue.add(_ALL)

    def _slots(self) -> list[Slot]:
        slots = {n["metadata"]["name"]: Slot.of(n) for n in self._api.store.list(NODES)}
        for pod in self._api.store.list(PODS):
            slot = slots.get(pod["spec"].get("nodeName", ""))
            if slot is not None and not has_ended(pod):
                slot.take(pod)
        return list(slots.values())

    def _schedule(self, _key: str) -> None:
        if not self._pending:
            return
        slots = self._slots()
        pods = [p for key in sorted(self._pending) if (p := self._api.store.get(PODS, *key)) is not None]
        # The higher priority first, then the older.
        pods.sort(key=lambda p: (-p["spec"].get("priority", 0), p["metadata"]["creationTimestamp"]))
        for pod in pods:
            verdict = choose(pod, slots)
            if verdict.node is None:
                self._tell_unschedulable(pod, verdict.message)
            else:
                bound = self._bind(pod, verdict.node)
                next(s for s in slots if s.name == verdict.node).take(bound)

    def _bind(self, pod: Object, node: str) -> Object:
        now = self._api.now()
        meta = pod["metadata"]
        status = dict(pod.get("status") or {})
        row = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
        status["conditions"] = [*(c for c in status.get("conditions") or () if c["type"] != "PodScheduled"), row]
        bound = self._api.system_update(
            PODS, pod, pod | {"spec": pod["spec"] | {"nodeName": node}, "status": status}, MANAGER
        )
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self._recorder.tell(bound, NORMAL, "Scheduled", message, NAME)
        return bound

    def _tell_unschedulable(self, pod: Object, message: str) -> None:
        before = condition(pod, "PodScheduled")
        if before is not None and before["status"] == "False" and before["message"] == message:
            return
        self._recorder.tell(pod, WARNING, "FailedScheduling", message, NAME)
        row = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": self._api.now(),
            "reason": "Unschedulable",
            "message": message,
        }
        status = dict(pod.get("status") or {})
        status["conditions"] = [*(c for c in status.get("conditions") or () if c["type"] != "PodScheduled"), row]
        self._api.system_status(PODS, pod, status, MANAGER)
