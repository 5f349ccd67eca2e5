"""ReplicaSets: as many pods as wanted, made from the template, and a status that counts them.

Callers: the cluster. Pods are made and deleted at once; which go first when there are too many is `surplus`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers.events import NORMAL, WARNING, Recorder
from sandbox.kubernetes.controllers.owners import Owners, controller_of, reference
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.kinds import PODS, REPLICASETS
from sandbox.kubernetes.selectors import match_selector
from sandbox.kubernetes.store import Change, Key, Object

NAME = "replicaset-controller"
MANAGER = "kube-controller-manager"


def condition(obj: Object, kind: str) -> Object | None:
    """The status condition of that type."""
    return next((c for c in (obj.get("status") or {}).get("conditions") or () if c["type"] == kind), None)


def is_ready(pod: Object) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def is_active(pod: Object) -> bool:
    """Neither ended nor being deleted."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp")


def seconds_of(stamp: str) -> float:
    """Epoch seconds of an RFC 3339 time as the API writes it."""
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def available_in(pod: Object, min_ready_s: int, now_s: float) -> float | None:
    """Seconds until the pod counts as available, 0 when it does; None while it is not ready."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True":
        return None
    return max(0.0, seconds_of(found["lastTransitionTime"]) + min_ready_s - now_s) if min_ready_s > 0 else 0.0


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
        self._api, self._owners, self._recorder = api, owners, recorder
        self.queue: Queue[Key] = Queue(NAME, self.reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
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

    def reconcile(self, key: Key) -> float | None:
        """One step towards the wanted number of pods; seconds until a pod becomes available, if that is near."""
        rs = self._api.store.get(REPLICASETS, *key)
        if rs is None:
            return None
        pods = [p for p in self._owners.of(rs["metadata"]["uid"], PODS) if is_active(p)]
        failure: Object | None = condition(rs, "ReplicaFailure")
        if not rs["metadata"].get("deletionTimestamp"):
            failure = self._scale(rs, pods)
            pods = [p for p in self._owners.of(rs["metadata"]["uid"], PODS) if is_active(p)]
        rs = self._api.store.get(REPLICASETS, *key)
        return None if rs is None else self._status(rs, pods, failure)

    def _scale(self, rs: Object, pods: list[Object]) -> Object | None:
        missing = rs["spec"].get("replicas", 1) - len(pods)
        if missing < 0:
            for pod in surplus(pods, -missing):
                self._delete(rs, pod)
        for _ in range(max(0, missing)):
            try:
                self._create(rs)
            except ApiError as exc:
                self._recorder.tell(rs, WARNING, "FailedCreate", f"Error creating: {exc.message}", NAME)
                return {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate",
                    "message": exc.message,
                    "lastTransitionTime": self._api.now(),
                }
        return None

    def _create(self, rs: Object) -> None:
        template, meta = rs["spec"]["template"], rs["metadata"]
        own = template.get("metadata") or {}
        pod: Object = {
            "metadata": {
                "generateName": f"{meta['name']}-",
                "namespace": meta["namespace"],
                "labels": dict(own.get("labels") or {}),
                "ownerReferences": [reference(REPLICASETS, rs)],
            },
            "spec": template["spec"],
        }
        if own.get("annotations"):
            pod["metadata"]["annotations"] = dict(own["annotations"])
        made = self._api.system_create(PODS, pod, MANAGER)
        self._recorder.tell(rs, NORMAL, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}", NAME)

    def _delete(self, rs: Object, pod: Object) -> None:
        name = pod["metadata"]["name"]
        self._api.delete(PODS, pod["metadata"]["namespace"], name, Deletion())
        self._recorder.tell(rs, NORMAL, "SuccessfulDelete", f"Deleted pod: {name}", NAME)

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
