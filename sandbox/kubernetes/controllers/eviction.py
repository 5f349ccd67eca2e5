"""Pods that may not stay on their node: it is gone, or has a taint that they do not tolerate.

Callers: the cluster. After kubernetes.io, "Taints and Tolerations" (NoExecute, tolerationSeconds) and "Pod Lifecycle"
(garbage collection of orphaned pods). A node that is deleted takes its pods with it at once; a real cluster waits
40 seconds to be sure.
"""

from __future__ import annotations

from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers.events import NORMAL, Recorder
from sandbox.kubernetes.controllers.fit import tolerance_s
from sandbox.kubernetes.controllers.podcontrol import has_ended, is_going
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.kinds import NODES, PODS
from sandbox.kubernetes.store import ADDED, DELETED, Change, Object

NAME = "taint-eviction-controller"


class Evictions:
    """The controller. Keys: names of nodes."""

    def __init__(self, api: Api, recorder: Recorder) -> None:
        self._api, self._recorder = api, recorder
        self._since: dict[tuple[str, str], float] = {}
        self.queue: Queue[str] = Queue(NAME, self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for pod in self._api.store.each(PODS):
            if name := pod["spec"].get("nodeName"):
                self.queue.add(name)

    def _changed(self, change: Change) -> None:
        if change.kind is NODES:
            before = ((change.old or {}).get("spec") or {}).get("taints")
            if change.type == DELETED or before != (change.obj.get("spec") or {}).get("taints"):
                self.queue.add(change.key[1])
        elif change.kind is PODS and change.type != DELETED:
            node = change.obj["spec"].get("nodeName")
            bound = change.type == ADDED or (change.old or {}).get("spec", {}).get("nodeName") != node
            if node and bound:
                self.queue.add(node)

    def _reconcile(self, name: str) -> float | None:
        node = self._api.store.get(NODES, "", name)
        taints = _executing(node) if node is not None else []
        if node is not None and not taints:
            self._since = {k: v for k, v in self._since.items() if k[0] != name}
            return None
        pods = [p for p in self._api.store.each(PODS) if p["spec"].get("nodeName") == name]
        soonest: float | None = None
        for pod in pods:
            left_s = 0.0 if node is None else self._left_s(name, pod, taints)
            if left_s is not None and left_s <= 0.0:
                self._remove(pod, gone=node is None)
            elif left_s is not None:
                soonest = min(left_s, left_s if soonest is None else soonest)
        return soonest

    def _left_s(self, name: str, pod: Object, taints: list[Object]) -> float | None:
        """Seconds until the pod must leave; None where it may stay."""
        lefts: list[float] = []
        for taint in taints:
            stays_s = tolerance_s(pod["spec"], taint)
            if stays_s is None:
                continue
            begin = self._since.setdefault((name, taint["key"]), self._api.clock())
            lefts.append(begin + stays_s - self._api.clock())
        return min(lefts) if lefts else None

    def _remove(self, pod: Object, *, gone: bool) -> None:
        meta = pod["metadata"]
        if gone:
            self._api.delete(PODS, meta["namespace"], meta["name"], Deletion(grace_s=0))
        elif not is_going(pod) and not has_ended(pod):
            text = f"Marking for deletion Pod {meta['namespace']}/{meta['name']}"
            self._recorder.tell(pod, NORMAL, "TaintManagerEviction", text, NAME)
            self._api.delete(PODS, meta["namespace"], meta["name"], Deletion())


def _executing(node: Object) -> list[Object]:
    return [t for t in (node.get("spec") or {}).get("taints") or () if t["effect"] == "NoExecute"]
