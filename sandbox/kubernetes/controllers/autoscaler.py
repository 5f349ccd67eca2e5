"""HorizontalPodAutoscalers: bounds are kept; metrics are not there, and the status says so.

Callers: the cluster. A cluster without a metrics server behaves like this one: replicas are brought within minimum and
maximum, and `ScalingActive` is False.
"""

from __future__ import annotations

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers.events import NORMAL, WARNING, Recorder
from sandbox.kubernetes.controllers.podcontrol import MANAGER, condition, is_going
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.kinds import AUTOSCALERS, BY_KIND
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "horizontal-pod-autoscaler"


class Autoscalers:
    """The controller."""

    def __init__(self, api: Api, recorder: Recorder) -> None:
        self._api, self._recorder = api, recorder
        self.queue: Queue[Key] = Queue(NAME, self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(AUTOSCALERS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is AUTOSCALERS:
            if change.type != DELETED:
                self.queue.add(change.key)
        elif "scale" in change.kind.subresources:
            for scaler in self._api.store.each(AUTOSCALERS):
                target = scaler["spec"]["scaleTargetRef"]
                same = (target["kind"], target["name"]) == (change.kind.kind, change.key[1])
                if same and scaler["metadata"]["namespace"] == change.key[0]:
                    self.queue.add((change.key[0], scaler["metadata"]["name"]))

    def _reconcile(self, key: Key) -> None:
        scaler = self._api.store.get(AUTOSCALERS, *key)
        if scaler is None or is_going(scaler):
            return
        target = scaler["spec"]["scaleTargetRef"]
        kind = BY_KIND.get(target["kind"])
        found = self._api.store.get(kind, key[0], target["name"]) if kind and "scale" in kind.subresources else None
        if kind is None or found is None:
            plural = kind.qualified if kind else target["kind"].lower()
            missing = f'{plural} "{target["name"]}" not found'
            text = f"the HPA controller was unable to get the target's current scale: {missing}"
            self._write(scaler, 0, [self._row(scaler, "AbleToScale", "False", "FailedGetScale", text)])
            self._recorder.tell(scaler, WARNING, "FailedGetScale", missing, NAME)
            return
        current = found["spec"].get("replicas", 1)
        rows = [self._row(scaler, "AbleToScale", "True", "SucceededGetScale", _GOT_SCALE)]
        if current == 0:
            text = "scaling is disabled since the replica count of the target is zero"
            self._write(scaler, 0, [*rows, self._row(scaler, "ScalingActive", "False", "ScalingDisabled", text)])
            return
        least, most = scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"]
        wanted = min(max(current, least), most)
        if wanted != current:
            bound = "below Spec.MinReplicas" if current < least else "above Spec.MaxReplicas"
            self._api.system_update(kind, found, found | {"spec": found["spec"] | {"replicas": wanted}}, NAME, "scale")
            text = f"New size: {wanted}; reason: Current number of replicas {bound}"
            self._recorder.tell(scaler, NORMAL, "SuccessfulRescale", text, NAME)
            rows = [self._row(scaler, "AbleToScale", "True", "SucceededRescale", _RESCALED.format(wanted))]
        else:
            text = _NO_METRICS.format(_metric(scaler))
            rows.append(self._row(scaler, "ScalingActive", "False", "FailedGetResourceMetric", text))
            self._recorder.tell(scaler, WARNING, "FailedComputeMetricsReplicas", text, NAME)
        self._write(scaler, wanted, rows, (found.get("status") or {}).get("replicas", 0))

    def _row(self, scaler: Object, kind: str, status: str, reason: str, message: str) -> Object:
        before = condition(scaler, kind)
        since = before["lastTransitionTime"] if before and before["status"] == status else self._api.now()
        return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}

    def _write(self, scaler: Object, wanted: int, rows: list[Object], current: int = 0) -> None:
        kept = {r["type"] for r in rows}
        rows = [*(c for c in (scaler.get("status") or {}).get("conditions") or () if c["type"] not in kept), *rows]
        status = {"currentReplicas": current, "desiredReplicas": wanted, "conditions": rows}
        self._api.system_status(AUTOSCALERS, scaler, status, MANAGER)


def _metric(scaler: Object) -> str:
    for row in scaler["spec"].get("metrics") or ():
        if row.get("resource"):
            return str(row["resource"].get("name", "cpu"))
    return "cpu"


_GOT_SCALE = "the HPA controller was able to get the target's current scale"
_RESCALED = "the HPA controller was able to update the target scale to {}"
_NO_METRICS = (
    "the HPA was unable to compute the replica count: failed to get {0} utilization: unable to get metrics for "
    "resource {0}: unable to fetch metrics from resource metrics API: the server could not find the requested resource "
    "(get pods.metrics.k8s.io)"
)
