"""A Deployment's status: counts and conditions, as `kubectl rollout status` and its like read them. Pure.

Conditions and reasons: kubernetes.io, "Deployment status" (progressing, complete, failed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.kubernetes.controllers.podcontrol import condition, seconds_of
from sandbox.kubernetes.controllers.rollout import Limits
from sandbox.kubernetes.store import Object

AVAILABLE_REASON = "NewReplicaSetAvailable"
TIMED_OUT_REASON = "ProgressDeadlineExceeded"


def count(sets: Sequence[Object], field: str) -> int:
    """Sum of one status field over ReplicaSets."""
    return sum(int((rs.get("status") or {}).get(field, 0)) for rs in sets)


def make_condition(kind: str, status: str, reason: str, message: str, now: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def with_condition(conditions: Sequence[Object], new: Object) -> list[Object]:
    """The conditions with this one put in; one of the same status and reason stays as it was."""
    current = next((c for c in conditions if c["type"] == new["type"]), None)
    if current is not None and (current["status"], current["reason"]) == (new["status"], new["reason"]):
        return list(conditions)
    if current is not None and current["status"] == new["status"]:
        new = new | {"lastTransitionTime": current["lastTransitionTime"]}
    return [*(c for c in conditions if c["type"] != new["type"]), new]


def counts(deployment: Object, sets: Sequence[Object], new: Object | None, limit: Limits, now: str) -> Object:
    """Counts and the Available condition; other conditions as they were."""
    wanted = sum(rs["spec"].get("replicas", 0) for rs in sets)
    available = count(sets, "availableReplicas")
    newest = [new] if new is not None else []
    status: Object = {"observedGeneration": deployment["metadata"].get("generation", 1)}
    numbers = {
        "replicas": count(sets, "replicas"),
        "updatedReplicas": count(newest, "replicas"),
        "readyReplicas": count(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
    }
    status |= {k: v for k, v in numbers.items() if v}
    collisions = (deployment.get("status") or {}).get("collisionCount")
    if collisions:
        status["collisionCount"] = collisions
    enough = available >= limit.least_available
    row = (
        make_condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
        if enough
        else make_condition(
            "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now
        )
    )
    status["conditions"] = with_condition((deployment.get("status") or {}).get("conditions") or (), row)
    return status


def is_complete(deployment: Object, status: Object) -> bool:
    """All pods are new and available, and none is left over."""
    wanted = deployment["spec"].get("replicas", 1)
    names = ("updatedReplicas", "replicas", "availableReplicas")
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
    return seen and all(status.get(n, 0) == wanted for n in names)


def is_progressing(before: Object, status: Object) -> bool:
    """Something got better since the last status."""

    def old_pods(row: Object) -> int:
        return int(row.get("replicas", 0)) - int(row.get("updatedReplicas", 0))

    better = any(status.get(n, 0) > before.get(n, 0) for n in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return better or old_pods(status) < old_pods(before)


def progress(deployment: Object, status: Object, new: Object | None, now_s: float, now: str) -> Object:
    """The status with its Progressing condition brought up to date."""
    deadline_s = deployment["spec"].get("progressDeadlineSeconds")
    current = condition(deployment, "Progressing")
    if deadline_s is None or deadline_s >= 2**31 - 1:
        return status | {"conditions": [c for c in status["conditions"] if c["type"] != "Progressing"]}
    settled = current is not None and current["reason"] == AVAILABLE_REASON
    if status.get("replicas", 0) == status.get("updatedReplicas", 0) and settled:
        return status
    name = new["metadata"]["name"] if new is not None else ""
    subject = f'ReplicaSet "{name}"' if name else f'Deployment "{deployment["metadata"]["name"]}"'
    conditions: Sequence[Any] = status["conditions"]
    if is_complete(deployment, status):
        row = make_condition("Progressing", "True", AVAILABLE_REASON, f"{subject} has successfully progressed.", now)
    elif is_progressing(deployment.get("status") or {}, status):
        row = make_condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
        if current is not None:
            if current["status"] == "True":
                row["lastTransitionTime"] = current["lastTransitionTime"]
            # Taken out first, so that progress of the same reason moves lastUpdateTime, from which the deadline runs.
            conditions = [c for c in conditions if c["type"] != "Progressing"]
    elif left_s(deployment, now_s) == 0.0:
        row = make_condition("Progressing", "False", TIMED_OUT_REASON, f"{subject} has timed out progressing.", now)
    else:
        return status
    return status | {"conditions": with_condition(conditions, row)}


def left_s(deployment: Object, now_s: float) -> float | None:
    """Seconds until the progress deadline, 0 when it has passed; None where none runs."""
    current = condition(deployment, "Progressing")
    deadline_s = deployment["spec"].get("progressDeadlineSeconds")
    if current is None or deadline_s is None or deadline_s >= 2**31 - 1 or current["reason"] == AVAILABLE_REASON:
        return None
    if current["reason"] == TIMED_OUT_REASON:
        return 0.0
    return max(0.0, seconds_of(current["lastUpdateTime"]) + float(deadline_s) - now_s)
