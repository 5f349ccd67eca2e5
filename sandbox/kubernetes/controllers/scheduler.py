"""The scheduler: binds pending pods to nodes, and tells those for which there is no room.

Callers: the cluster. Event-driven: a pod that fits nowhere is tried again when a node or a pod changes. What fits is
decided in fit.py; which pods make room for a more important one in preemption.py.
"""

from __future__ import annotations

from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers.events import NORMAL, WARNING, Recorder
from sandbox.kubernetes.controllers.fit import Slot, choose
from sandbox.kubernetes.controllers.podcontrol import condition, has_ended, is_going
from sandbox.kubernetes.controllers.preemption import victims_on
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.controllers.storage import claims_of
from sandbox.kubernetes.kinds import CLAIMS, NODES, PODS
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "default-scheduler"
MANAGER = "kube-scheduler"
_ALL = "all"


class Scheduler:
    """The controller; its one key means: look at all pending pods. The nodes with what runs on them are kept up with
    the store, so that a decision costs as much as there are nodes, not pods."""

    def __init__(self, api: Api, recorder: Recorder) -> None:
        self._api, self._recorder = api, recorder
        self._pending: set[Key] = set()
        self._slots: dict[str, Slot] = {}
        self.queue: Queue[str] = Queue(NAME, self._schedule)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for node in self._api.store.list(NODES):
            self._enter_node(node)
        for pod in self._api.store.list(PODS):
            self._enter_pod(pod)
            if self._is_pending(pod):
                self._pending.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))
        self.queue.add(_ALL)

    @staticmethod
    def _is_pending(pod: Object) -> bool:
        spec = pod["spec"]
        wanted = spec.get("schedulerName", NAME) == NAME and not spec.get("schedulingGates")
        return wanted and not spec.get("nodeName") and not is_going(pod) and not has_ended(pod)

    def _enter_node(self, node: Object) -> None:
        name = node["metadata"]["name"]
        before, slot = self._slots.get(name), Slot.of(node)
        pods = before.each_pod() if before is not None else ()
        if before is None:
            pods = [p for p in self._api.store.each(PODS) if p["spec"].get("nodeName") == name and not has_ended(p)]
        for pod in pods:
            slot.take(pod)
        self._slots[name] = slot
        self._slots = dict(sorted(self._slots.items()))

    def _enter_pod(self, pod: Object) -> None:
        slot = self._slots.get(pod["spec"].get("nodeName", ""))
        if slot is not None and has_ended(pod):
            slot.drop(pod)
        elif slot is not None:
            slot.take(pod)

    def _changed(self, change: Change) -> None:
        if change.kind is NODES:
            if change.type == DELETED:
                self._slots.pop(change.key[1], None)
            elif change.old is None or _shape(change.old) != _shape(change.obj):
                self._enter_node(change.obj)
            else:
                return
            if self._pending:
                self.queue.add(_ALL)
        elif change.kind is CLAIMS:
            if self._pending:
                self.queue.add(_ALL)
        elif change.kind is PODS:
            self._pod_changed(change)

    def _pod_changed(self, change: Change) -> None:
        if change.type == DELETED:
            slot = self._slots.get(change.obj["spec"].get("nodeName", ""))
            if slot is not None:
                slot.drop(change.obj)
        else:
            self._enter_pod(change.obj)
        if change.type != DELETED and self._is_pending(change.obj):
            self._pending.add(change.key)
            if change.old is None or change.old["spec"] != change.obj["spec"]:
                self.queue.add(_ALL)
            return
        self._pending.discard(change.key)
        freed = change.type == DELETED or has_ended(change.obj)
        if self._pending and freed:
            self.queue.add(_ALL)

    # -- one round ---------------------------------------------------------------------------------------------

    def _schedule(self, _key: str) -> None:
        if not self._pending:
            return
        slots = list(self._slots.values())
        pods = [p for key in sorted(self._pending) if (p := self._api.store.get(PODS, *key)) is not None]
        # The higher priority first, then the older.
        pods.sort(key=lambda p: (-p["spec"].get("priority", 0), p["metadata"]["creationTimestamp"]))
        for pod in pods:
            if missing := self._unbound(pod):
                count = len(slots)
                helpless = (
                    f"preemption: 0/{count} nodes are available: {count} Preemption is not helpful for scheduling."
                )
                self._tell_unschedulable(pod, f"0/{count} nodes are available: {missing}. {helpless}")
                continue
            verdict = choose(pod, slots)
            if verdict.node is not None:
                self._bind(pod, verdict.node)
            elif not self._preempt(pod, slots, verdict.hopeful):
                self._tell_unschedulable(pod, verdict.message)

    def _unbound(self, pod: Object) -> str:
        """What the pod's claims are waiting for; empty where they are bound."""
        for name in claims_of(pod):
            claim = self._api.store.get(CLAIMS, pod["metadata"]["namespace"], name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if is_going(claim):
                return f'persistentvolumeclaim "{name}" is being deleted'
            if (claim.get("status") or {}).get("phase") != "Bound":
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def _bind(self, pod: Object, node: str) -> None:
        now = self._api.now()
        meta = pod["metadata"]
        status = {k: v for k, v in (pod.get("status") or {}).items() if k != "nominatedNodeName"}
        row = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
        status["conditions"] = [*(c for c in status.get("conditions") or () if c["type"] != "PodScheduled"), row]
        bound = self._api.system_update(
            PODS, pod, pod | {"spec": pod["spec"] | {"nodeName": node}, "status": status}, MANAGER
        )
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self._recorder.tell(bound, NORMAL, "Scheduled", message, NAME)

    def _preempt(self, pod: Object, slots: list[Slot], hopeful: tuple[str, ...]) -> bool:
        """Ends less important pods where that makes room; whether some end now, and the pod has only to wait."""
        if not hopeful or pod["spec"].get("preemptionPolicy") == "Never" or not pod["spec"].get("priority", 0):
            return False
        nominated = (pod.get("status") or {}).get("nominatedNodeName")
        if nominated in hopeful and any(is_going(p) for p in self._slots[nominated].each_pod()):
            return True
        found = victims_on(pod, [s for s in slots if s.name in hopeful], slots)
        if found is None:
            return False
        node, victims = found
        for victim in victims:
            meta = victim["metadata"]
            text = f"Preempted by pod {pod['metadata']['uid']} on node {node}"
            self._recorder.tell(victim, NORMAL, "Preempted", text, NAME)
            self._api.delete(PODS, meta["namespace"], meta["name"], Deletion())
        status = {**(pod.get("status") or {}), "nominatedNodeName": node}
        self._api.system_status(PODS, pod, status, MANAGER)
        return True

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


def _shape(node: Object) -> tuple[object, ...]:
    """What of a node a decision depends on; heartbeats are not among it."""
    return node.get("spec"), node["metadata"].get("labels"), (node.get("status") or {}).get("allocatable")
