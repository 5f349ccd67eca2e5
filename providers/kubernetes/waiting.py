"""Waits until an object is ready, or gone: by watch, with early failure.

A watch ends after a short round by itself; between rounds, and at most once a second, the workload's pods are looked
at, because a crash loop or a missing image changes nothing in the Deployment. A watch that breaks off or has expired
(410) is begun anew from a fresh read, for as long as the call's deadline allows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from model.errors import (
    Conflict,
    DependencyInUse,
    Interrupted,
    NotFound,
    RolloutFailed,
    Throttled,
    Transient,
    Unreachable,
)
from model.resources import SPOT_TAINT, Address
from providers.base import Call
from providers.kubernetes.evidence import describe, workload_pods
from providers.kubernetes.kinds import ApiKind
from providers.kubernetes.rollout import Problem, Progress, assess, laggards, pod_problems
from providers.kubernetes.wire import ClusterClient

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
_FIRST_ROUND_S, _LONGEST_ROUND_S = 1.0, 3.0
_LOOK_EVERY_S = 1.0
_EVIDENCE_S, _EVIDENCE_SHARE = 3.0, 0.1


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that something may look hopeless before it counts as failed.

    unschedulable_s: nodes may be joining (an autoscaler takes minutes). stuck_s: a quota that old pods still fill.
    spot_s: as unschedulable_s, for pods that may be on spot machines: a pool that lost one gets another in minutes.
    """

    unschedulable_s: float = 60.0
    spot_s: float = 300.0
    stuck_s: float = 15.0


@dataclass
class Wait:
    """One wait for one object; not thread-safe, made per call."""

    client: ClusterClient
    kind: ApiKind
    namespace: str
    name: str
    address: Address
    call: Call
    patience: Patience = field(default_factory=Patience)
    _since: dict[str, float] = field(default_factory=dict)
    _looked_s: float = float("-inf")
    _note: str = ""
    _problems: tuple[Problem, ...] = ()
    _pods: list[dict[str, Any]] = field(default_factory=list)

    @property
    def _title(self) -> str:
        return f"{self.kind.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind.kind} {self.name}"

    def until_ready(self) -> dict[str, Any]:
        """The object once it is ready. Raises RolloutFailed, NotFound, Interrupted, or Unreachable."""
        round_s = _FIRST_ROUND_S
        spare_s = min(_EVIDENCE_S, _EVIDENCE_SHARE * self.call.remaining_s())  # kept for reading why, if it fails
        obj = self._get()
        while True:
            if self._judge(obj):
                return obj
            for newer in self._round(obj, min(round_s, max(0.1, self.call.remaining_s() - spare_s))):
                if self._judge(newer):
                    return newer
            round_s = min(_LONGEST_ROUND_S, round_s * 1.5)
            if self.call.remaining_s() < max(spare_s, 0.1) + 0.05:
                if self.kind.kind in WORKLOADS:
                    self._problems = self._look(obj)
                raise self._failed("not ready before the deadline")
            obj = self._get()

    def until_gone(self) -> None:
        """Returns once the object is not there. DependencyInUse at the deadline, with what holds it."""
        interval_s = 0.05
        obj: dict[str, Any] = {}
        while self.call.remaining_s() > 0.1:
            try:
                obj = self._get()
            except NotFound:
                return
            self._pause(interval_s)
            interval_s = min(2.0, interval_s * 1.5)
        holders = ", ".join((obj.get("metadata") or {}).get("finalizers") or ()) or "nothing that it names"
        raise DependencyInUse(
            f"{self._title} is still there",
            detail=f"finalizers: {holders}",
            mend="look at what should remove these finalizers",
            address=str(self.address),
            call=self.client.where,
        )

    # -- one look ----------------------------------------------------------------------------------------------

    def _judge(self, obj: dict[str, Any]) -> bool:
        """True when ready. Raises where it failed."""
        if self.call.cancelled():
            raise Interrupted(f"{self._title}: stopped on request", mend="duoyun resume goes on from here")
        progress = assess(obj)
        if progress.ready:
            return True
        if progress.note != self._note:
            self._note = progress.note
            self.call.progress(f"{self._title}: {progress.note}")
        if progress.failed:
            self._problems = self._look(obj)
            raise self._failed(progress.failed)
        self._check_stuck(progress)
        if self.kind.kind in WORKLOADS and time.monotonic() - self._looked_s >= _LOOK_EVERY_S:
            self._problems = self._look(obj)
            self._looked_s = time.monotonic()
            self._check_pods()
        return False

    def _check_stuck(self, progress: Progress) -> None:
        if not progress.stuck:
            self._since.pop("stuck", None)
        elif self._for_s("stuck") >= self.patience.stuck_s:
            raise self._failed(progress.stuck)

    def _check_pods(self) -> None:
        waiting = {p.pod for p in self._problems if p.waits}
        for pod in [key for key in self._since if key != "stuck" and key not in waiting]:
            del self._since[pod]
        spot = {p["metadata"]["name"] for p in self._pods if _may_be_on_spot(p)}
        for problem in self._problems:
            patience_s = self.patience.spot_s if problem.pod in spot else self.patience.unschedulable_s
            if not problem.waits or self._for_s(problem.pod) >= patience_s:
                raise self._failed(f"{problem.reason}: {problem.message}" if problem.message else problem.reason)

    def _for_s(self, key: str) -> float:
        """How long we have been seeing it, by our own clock."""
        now_s = time.monotonic()
        return now_s - self._since.setdefault(key, now_s)

    def _look(self, obj: dict[str, Any]) -> tuple[Problem, ...]:
        try:
            self._pods = workload_pods(self.client, obj, self.call)
        except (Throttled, Transient, Unreachable) as exc:
            self.call.progress(f"{self._title}: pods could not be read: {exc.summary}")
            return self._problems
        return pod_problems(self._pods)

    def _failed(self, reason: str) -> RolloutFailed:
        """With evidence, as far as the time left allows."""
        lines = [self._note] if self._note else []
        problems = self._problems or laggards(self._pods)
        lines.append(describe(self.client, self.namespace, problems, self.call))
        return RolloutFailed(
            f"{self._title} did not become ready: {reason}",
            detail="\n".join(line for line in lines if line),
            mend=_mend(self._pods),
            address=str(self.address),
        )

    # -- reading -----------------------------------------------------------------------------------------------

    def _get(self) -> dict[str, Any]:
        path = self.kind.path(self.namespace, self.name)
        return self.client.request("GET", path, self.call, f"get {self.kind.resource} {self.namespace}/{self.name}")

    def _round(self, obj: dict[str, Any], round_s: float) -> Iterator[dict[str, Any]]:
        """Newer states of the object, as they come, for one watch request."""
        operation = f"watch {self.kind.resource} {self.namespace}/{self.name}"
        query = {
            "fieldSelector": f"metadata.name={self.name}",
            "resourceVersion": str(obj["metadata"].get("resourceVersion", "")),
        }
        began_s = time.monotonic()
        try:
            for event in self.client.watch(
                self.kind.path(self.namespace), self.call, operation, query, round_s=round_s
            ):
                what, state = event.get("type"), event.get("object") or {}
                if what == "ERROR":
                    break  # 410 Expired, as a rule: read anew
                if what == "DELETED":
                    raise NotFound(f"{self._title} was deleted while we waited for it", address=str(self.address))
                if what in ("ADDED", "MODIFIED"):
                    yield state
                if self.call.cancelled() or time.monotonic() - began_s > round_s + 5:
                    break
        except (Conflict, Throttled, Transient, Unreachable) as exc:  # Conflict: 410, read anew
            self.call.progress(f"{operation}: {exc.summary}")
        if time.monotonic() - began_s < 0.05:
            self._pause(0.2)  # a watch that ends at once must not become a busy loop

    def _pause(self, seconds: float) -> None:
        end_s = time.monotonic() + min(seconds, self.call.remaining_s())
        while (left_s := end_s - time.monotonic()) > 0:
            if self.call.cancelled():
                raise Interrupted(f"{self._title}: stopped on request", mend="duoyun resume goes on from here")
            time.sleep(min(0.1, left_s))


def _may_be_on_spot(pod: Mapping[str, Any]) -> bool:
    key = SPOT_TAINT.partition("=")[0]
    return any(t.get("key") == key for t in pod["spec"].get("tolerations") or ())


def _mend(pods: Iterable[Mapping[str, Any]]) -> str:
    """What to do about pods that are not ready. Where one that may be on spot machines is nowhere: why that may be."""
    if any(_may_be_on_spot(p) and not p["spec"].get("nodeName") for p in pods):
        return (
            "the cloud may have taken spot machines back, or have none left, and the others have no room: wait for "
            "them, or lower `max_spot_share`; a rollback restores what ran before"
        )
    return "see the pod's events and log; a rollback restores what ran before"
