"""How controllers make and delete pods: from a template, owned by them, told as events.

Callers: the controllers of ReplicaSets, StatefulSets, DaemonSets and Jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers.events import NORMAL, WARNING, Recorder
from sandbox.kubernetes.controllers.owners import reference
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.kinds import PODS, ResourceKind
from sandbox.kubernetes.store import Object

MANAGER = "kube-controller-manager"
_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 60.0


def condition(obj: Object, kind: str) -> Object | None:
    """The status condition of that type."""
    return next((c for c in (obj.get("status") or {}).get("conditions") or () if c["type"] == kind), None)


def is_ready(pod: Object) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def has_ended(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_going(obj: Mapping[str, Any]) -> bool:
    """Being deleted."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def is_active(pod: Object) -> bool:
    """Neither ended nor being deleted."""
    return not has_ended(pod) and not is_going(pod)


def seconds_of(stamp: str) -> float:
    """Epoch seconds of an RFC 3339 time as the API writes it. ValueError where it is none."""
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def available_in(pod: Object, min_ready_s: int, now_s: float) -> float | None:
    """Seconds until the pod counts as available, 0 when it does; None while it is not ready."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True":
        return None
    return max(0.0, seconds_of(found["lastTransitionTime"]) + min_ready_s - now_s) if min_ready_s > 0 else 0.0


def pod_of(
    kind: ResourceKind,
    owner: Object,
    template: Object,
    *,
    name: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """A pod of the template that the owner controls. name: empty for a generated one; labels and annotations are
    added to the template's."""
    meta, own = owner["metadata"], template.get("metadata") or {}
    named = {"name": name} if name else {"generateName": f"{meta['name']}-"}
    pod: Object = {
        "metadata": {
            **named,
            "namespace": meta["namespace"],
            "labels": {**(own.get("labels") or {}), **(labels or {})},
            "ownerReferences": [reference(kind, owner)],
        },
        "spec": template["spec"],
    }
    notes = {**(own.get("annotations") or {}), **(annotations or {})}
    if notes:
        pod["metadata"]["annotations"] = notes
    if own.get("finalizers"):
        pod["metadata"]["finalizers"] = list(own["finalizers"])
    return pod


class PodControl:
    """Creates and deletes pods for one controller. component: its name in events."""

    def __init__(self, api: Api, recorder: Recorder, component: str) -> None:
        self._api, self._recorder, self._component = api, recorder, component
        self._refused: dict[str, int] = {}

    def create(self, owner: Object, pod: Object, told: str = "Created pod: {}") -> Object:
        """ApiError where the API refuses, after telling so."""
        uid = owner["metadata"]["uid"]
        try:
            made = self._api.system_create(PODS, pod, MANAGER)
        except ApiError as exc:
            self._refused[uid] = self._refused.get(uid, 0) + 1
            if exc.reason != "AlreadyExists":
                self.tell(owner, "FailedCreate", f"Error creating: {exc.message}", WARNING)
            raise
        self._refused.pop(uid, None)
        self.tell(owner, "SuccessfulCreate", told.format(made["metadata"]["name"]))
        return made

    def retry_s(self, owner: Object) -> float:
        """How long to wait before creating again after a refusal: doubled each time."""
        count = self._refused.get(owner["metadata"]["uid"], 1)
        return float(min(_LAST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(count - 1, 30)))

    def delete(self, owner: Object, pod: Object, told: str = "Deleted pod: {}") -> None:
        """Deletes with the pod's own grace. One that is going already is left alone."""
        meta = pod["metadata"]
        if not is_going(pod):
            self._api.delete(PODS, meta["namespace"], meta["name"], Deletion())
            self.tell(owner, "SuccessfulDelete", told.format(meta["name"]))

    def tell(self, owner: Object, reason: str, message: str, kind: str = NORMAL) -> None:
        self._recorder.tell(owner, kind, reason, message, self._component)
