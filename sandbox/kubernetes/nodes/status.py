"""A pod's status from the states of its containers. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container as its kubelet knows it. state and last hold one of waiting, running, terminated."""

    name: str
    image: str
    state: Object = field(default_factory=lambda: waiting("ContainerCreating"))
    last: Object = field(default_factory=dict)
    ready: bool = False
    started: bool = False
    restarts: int = 0
    container_id: str = ""

    def with_(self, **changes: Any) -> ContainerState:
        return replace(self, **changes)

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        found = self.state.get("terminated")
        return None if found is None else int(found["exitCode"])

    def to_dict(self) -> Object:
        row: Object = {
            "name": self.name,
            "image": self.image,
            "imageID": f"sandbox://{self.image}" if self.container_id else "",
            "state": self.state,
            "lastState": self.last,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
        }
        return row | ({"containerID": self.container_id} if self.container_id else {})


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def running(now: str) -> Object:
    return {"running": {"startedAt": now}}


def terminated(code: int, started: str, now: str, container_id: str = "") -> Object:
    row: Object = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "startedAt": started,
        "finishedAt": now,
    }
    return {"terminated": row | ({"containerID": container_id} if container_id else {})}


def phase_of(states: Sequence[ContainerState], restart_policy: str) -> str:
    """Pending until every container has started once; ended only where nothing is restarted."""
    codes = [s.exit_code for s in states]
    if restart_policy != "Always" and all(c is not None for c in codes):
        if all(c == 0 for c in codes):
            return "Succeeded"
        if restart_policy == "Never":
            return "Failed"
    if any(s.running or s.restarts > 0 or s.exit_code is not None for s in states):
        never_started = [s for s in states if not s.running and not s.last and s.exit_code is None]
        return "Pending" if never_started else "Running"
    return "Pending"


def pod_status(
    before: Mapping[str, Any],
    states: Sequence[ContainerState],
    restart_policy: str,
    now: str,
    *,
    host_ip: str,
    pod_ip: str,
    inits: Sequence[ContainerState] = (),
    sidecars: Collection[str] = (),
) -> Object:
    """The whole status; conditions keep their transition times where their status stays. sidecars: names of the init
    containers that go on running."""
    waiting_inits = [s.name for s in inits if not (s.started if s.name in sidecars else s.exit_code == 0)]
    phase = "Pending" if waiting_inits and not any(s.started for s in states) else phase_of(states, restart_policy)
    unready = [s.name for s in (*states, *(i for i in inits if i.name in sidecars)) if not s.ready]
    reason = "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
    message = "" if phase == "Succeeded" else f"containers with unready status: [{' '.join(unready)}]"
    told: list[tuple[str, bool, str, str]] = [
        ("PodReadyToStartContainers", bool(pod_ip), "", ""),
        ("Initialized", not waiting_inits, *_uninitialized(waiting_inits)),
        ("Ready", not unready, "" if not unready else reason, "" if not unready else message),
        ("ContainersReady", not unready, "" if not unready else reason, "" if not unready else message),
        ("PodScheduled", True, "", ""),
    ]
    known = {c["type"]: c for c in before.get("conditions") or ()}
    status: Object = {
        "phase": phase,
        "conditions": [_condition(known.get(row[0]), row, now) for row in told],
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": before.get("startTime") or now,
        "containerStatuses": [s.to_dict() for s in states],
        "qosClass": before.get("qosClass", "BestEffort"),
    }
    if inits:
        status["initContainerStatuses"] = [s.to_dict() for s in inits]
    if pod_ip:
        status |= {"podIP": pod_ip, "podIPs": [{"ip": pod_ip}]}
    return status


def _uninitialized(names: Sequence[str]) -> tuple[str, str]:
    if not names:
        return "", ""
    return "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(names)}]"


def _condition(old: Object | None, row: tuple[str, bool, str, str], now: str) -> Object:
    kind, good, reason, message = row
    word = "True" if good else "False"
    since = old["lastTransitionTime"] if old is not None and old["status"] == word else now
    new: Object = {"type": kind, "status": word, "lastProbeTime": None, "lastTransitionTime": since}
    if reason:
        new["reason"] = reason
    if message:
        new["message"] = message
    return new
