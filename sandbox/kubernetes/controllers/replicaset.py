"""ReplicaSets: as many pods as wanted, made from the template, and a status that counts them.

Callers: the cluster. Pods are made and deleted at once; which go first when there are too many is `surplus`.
"""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers.events import Recorder
from sandbox.kubernetes.controllers.owners import Owners, controller_of, reference
from sandbox.kubernetes.controllers.podcontrol import (
    MANAGER,
    PodControl,
    available_in,
    condition,
    is_active,
    is_going,
    is_ready,
    pod_of,
    seconds_of,
)
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.kinds import PODS, REPLICASETS
from sandbox.kubernetes.selectors import match_selector
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "replicaset-controller"


def surplus(pods: list[Object], count: int) -> list[Object]:
    """Which pods go first: those not on a node, not running, not ready, cheap to delete, then the youngest."""

    def rank(pod: Object) -> tuple[Any, ...]:
        meta = pod["metadata"]
        phase = (pod.get("status") or {}).get("phase", "Pending")
        cost = (meta.get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
        return (
            bool(pod["spec"].get("nodeName")),
            {"Pending": 0, "Unknown": 1, "Running": 2}.get(phase, 0),
            is_ready(pod),
            int(cost) if cost.lstrip("-").isdigit() else 0,
            -seconds_of(meta["creationTimestamp"]),
            meta["name"],
        )

    return sorted(pods, key=rank)[:count]


class ReplicaSets:
    """The controller."""

    def __init__(self, api: Api, owners: Owners, recorder: Recorder) -> None:
        self._api, self._owners = api, owners
        self._control = PodControl(api, recorder, NAME)
        self._orphans: set[Key] = set()
        self.queue: Queue[Key] = Queue(NAME, self.reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for pod in self._api.store.each(PODS):
            if controller_of(pod) is None:
                self._orphans.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))
        for obj in self._api.store.list(REPLICASETS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is REPLICASETS:
            self.queue.add(change.key)
        elif change.kind is PODS:
            for pod in (change.obj, change.old):
                owner = controller_of(pod) if pod else None
                if owner is not None and owner["kind"] == "ReplicaSet":
                    self.queue.add((change.key[0], owner["name"]))
            self._note_orphan(change)

    def _note_orphan(self, change: Change) -> None:
        """Remembers pods that nobody controls, and wakes the ReplicaSets that could."""
        if change.type == DELETED or controller_of(change.obj) is not None:
            self._orphans.discard(change.key)
            return
        self._orphans.add(change.key)
        labels = change.obj["metadata"].get("labels") or {}
        if change.old is None or controller_of(change.old) or (change.old["metadata"].get("labels") or {}) != labels:
            for rs in self._api.store.list(REPLICASETS, change.key[0]):
                if match_selector(rs["spec"]["selector"], labels):
                    self.queue.add((change.key[0], rs["metadata"]["name"]))

    def reconcile(self, key: Key) -> float | None:
        """One step towards the wanted number of pods; seconds until a pod becomes available, if that is near."""
        rs = self._api.store.get(REPLICASETS, *key)
        if rs is None:
            return None
        pods = self._claim(rs)
        failure: Object | None = condition(rs, "ReplicaFailure")
        retry_s: float | None = None
        if not is_going(rs):
            failure = self._scale(rs, pods)
            retry_s = self._control.retry_s(rs) if failure is not None else None
            pods = self._pods(rs)
        rs = self._api.store.get(REPLICASETS, *key)
        soon_s = None if rs is None else self._status(rs, pods, failure)
        waits = [w for w in (retry_s, soon_s) if w is not None]
        return min(waits) if waits else None

    def _pods(self, rs: Object) -> list[Object]:
        return [p for p in self._owners.of(rs["metadata"]["uid"], PODS) if is_active(p)]

    def _claim(self, rs: Object) -> list[Object]:
        """Its pods: those whose labels do not match any more are let go, those that nobody controls are taken."""
        if is_going(rs):
            return self._pods(rs)
        selector, uid = rs["spec"]["selector"], rs["metadata"]["uid"]
        kept: list[Object] = []
        for pod in self._pods(rs):
            if match_selector(selector, pod["metadata"].get("labels") or {}):
                kept.append(pod)
            else:
                rows = [r for r in pod["metadata"].get("ownerReferences") or () if r["uid"] != uid]
                self._own(pod, rows)
        for key in sorted(self._orphans):
            orphan = self._api.store.get(PODS, *key)
            if orphan is None or key[0] != rs["metadata"]["namespace"] or not is_active(orphan):
                continue
            if match_selector(selector, orphan["metadata"].get("labels") or {}):
                rows = [*(orphan["metadata"].get("ownerReferences") or ()), reference(REPLICASETS, rs)]
                kept.append(self._own(orphan, rows))
        return kept

    def _own(self, pod: Object, rows: list[Object]) -> Object:
        meta = {k: v for k, v in pod["metadata"].items() if k != "ownerReferences"}
        return self._api.system_update(
            PODS, pod, pod | {"metadata": meta | ({"ownerReferences": rows} if rows else {})}, MANAGER
        )

    def _scale(self, rs: Object, pods: list[Object]) -> Object | None:
        """The condition that says why pods could not be made; None where they were."""
        missing = rs["spec"].get("replicas", 1) - len(pods)
        if missing < 0:
            for pod in surplus(pods, -missing):
                self._control.delete(rs, pod)
        for _ in range(max(0, missing)):
            try:
                self._control.create(rs, pod_of(REPLICASETS, rs, rs["spec"]["template"]))
            except ApiError as exc:
                return {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate",
                    "message": exc.message,
                    "lastTransitionTime": self._api.now(),
                }
        return None

    def _status(self, rs: Object, pods: list[Object], failure: Object | None) -> float | None:
        spec, now_s = rs["spec"], self._api.clock()
        waits = [available_in(p, spec.get("minReadySeconds", 0), now_s) for p in pods]
        template_labels = (spec["template"].get("metadata") or {}).get("labels") or {}
        labelled = sum(
            match_selector({"matchLabels": template_labels}, p["metadata"].get("labels") or {}) for p in pods
        )
        status: Object = {"replicas": len(pods), "observedGeneration": rs["metadata"].get("generation", 1)}
        counts = {
            "fullyLabeledReplicas": labelled,
            "readyReplicas": sum(w is not None for w in waits),
            "availableReplicas": sum(w == 0 for w in waits),
        }
        status |= {k: v for k, v in counts.items() if v}
        if failure is not None:
            before = condition(rs, "ReplicaFailure")
            status["conditions"] = [before or failure]
        self._api.system_status(REPLICASETS, rs, status, MANAGER)
        soon = [w for w in waits if w]
        return min(soon) if soon else None
