"""Is a workload ready, on its way, or stuck? Pure: objects in, a verdict with evidence out.

A Deployment is done when the controller has seen its generation and every replica is updated and available
(kubernetes.io/docs/concepts/workloads/controllers/deployment, "Complete Deployment"; `kubectl rollout status`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model.resources import FIELD_MANAGER

_WAITING_FATAL: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
RESTARTS_FATAL: Final = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """ready, or failed (why it can no longer succeed), or neither; note is one line for a person."""

    ready: bool
    note: str
    failed: str = ""
    stuck: str = ""  # would fail if it stays so for a while (no quota, a refused pod)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a pod will not become ready. waits: it may yet (a node is on its way); fatal only after a grace."""

    pod: str
    container: str
    reason: str
    message: str
    restarts: int = 0
    waits: bool = False

    def __str__(self) -> str:
        where = f"pod {self.pod}" + (f", container {self.container}" if self.container else "")
        restarts = f" ({self.restarts} restarts)" if self.restarts else ""
        return f"{where}: {self.reason}{restarts}{': ' + self.message if self.message else ''}"


def assess(obj: Mapping[str, Any]) -> Progress:
    """Of any object; kinds without a life of their own are ready once they exist."""
    status = obj.get("status") or {}
    match obj.get("kind"):
        case "Deployment":
            return _deployment(obj, status)
        case "StatefulSet":
            return _stateful_set(obj, status)
        case "DaemonSet":
            return _daemon_set(obj, status)
        case "Job":
            return _job(status)
        case "Service" if (obj.get("spec") or {}).get("type") == "LoadBalancer":
            return _counted(bool(load_balancer_hosts(obj)), "waiting for the load balancer's address")
        case "Namespace":
            return _counted(status.get("phase", "Active") == "Active", f"namespace is {status.get('phase')}")
    return Progress(True, "exists")


def load_balancer_hosts(service: Mapping[str, Any]) -> tuple[str, ...]:
    """IPs or host names that the cloud gave a LoadBalancer Service."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return tuple(str(i.get("ip") or i.get("hostname")) for i in ingress if i.get("ip") or i.get("hostname"))


def _counted(ready: bool, note: str) -> Progress:
    return Progress(ready, "ready" if ready else note)


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _seen(obj: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    return int(status.get("observedGeneration") or 0) >= int(obj["metadata"].get("generation") or 0)


def _said_before(obj: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    """Whether a condition is older than our last change of the object, by the cluster's own clock (whole seconds).

    A Deployment that ran out of time keeps that condition when its template is taken back, until something progresses.
    """
    ours = [
        str(e.get("time") or "")
        for e in obj["metadata"].get("managedFields") or ()
        if e.get("manager") == FIELD_MANAGER and not e.get("subresource")
    ]
    return str(condition.get("lastUpdateTime") or "Z") <= max(ours, default="")


def _deployment(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Progress:
    wanted = int((obj.get("spec") or {}).get("replicas", 1))
    if not _seen(obj, status):
        return Progress(False, "waiting for the controller to see the change")
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    total = int(status.get("replicas") or 0)
    note = f"{updated}/{wanted} updated, {available}/{wanted} available"
    if total > updated:
        note += f", {total - updated} old"
    if updated == wanted and available == wanted and total == wanted:
        return Progress(True, note)
    progressing = _condition(status, "Progressing")
    late = progressing.get("status") == "False" and progressing.get("reason") == "ProgressDeadlineExceeded"
    if late and not _said_before(obj, progressing):
        return Progress(False, note, failed=f"ProgressDeadlineExceeded: {progressing.get('message', '')}".strip(": "))
    failure = _condition(status, "ReplicaFailure")
    stuck = ""
    if failure.get("status") == "True":
        stuck = f"{failure.get('reason', 'ReplicaFailure')}: {failure.get('message', '')}"
    return Progress(False, note + (", paused" if (obj.get("spec") or {}).get("paused") else ""), stuck=stuck)


def _stateful_set(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Progress:
    spec = obj.get("spec") or {}
    wanted = int(spec.get("replicas", 1))
    ready, updated = int(status.get("readyReplicas") or 0), int(status.get("updatedReplicas") or 0)
    note = f"{updated}/{wanted} updated, {ready}/{wanted} ready"
    by_hand = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    done = _seen(obj, status) and ready == wanted and (by_hand or updated == wanted)
    return Progress(done, note)


def _daemon_set(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Progress:
    wanted = int(status.get("desiredNumberScheduled") or 0)
    updated, available = int(status.get("updatedNumberScheduled") or 0), int(status.get("numberAvailable") or 0)
    done = _seen(obj, status) and updated == wanted and available == wanted
    return Progress(done, f"{updated}/{wanted} updated, {available}/{wanted} available")


def _job(status: Mapping[str, Any]) -> Progress:
    if _condition(status, "Complete").get("status") == "True":
        return Progress(True, "complete")
    failed = _condition(status, "Failed")
    if failed.get("status") == "True":
        return Progress(False, "failed", failed=f"{failed.get('reason', 'Failed')}: {failed.get('message', '')}")
    return Progress(False, f"{int(status.get('succeeded') or 0)} succeeded")


# -- pods ------------------------------------------------------------------------------------------------------


def pod_problems(pods: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    """One per pod that is in trouble, the fatal ones first, then by name."""
    found = [p for p in (_pod_problem(pod) for pod in pods) if p is not None]
    return tuple(sorted(found, key=lambda p: (p.waits, p.pod)))


def _pod_problem(pod: Mapping[str, Any]) -> Problem | None:
    metadata, status = pod["metadata"], pod.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return None
    name = str(metadata["name"])
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for container in statuses:
        problem = _container_problem(name, container)
        if problem is not None:
            return problem
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Problem(name, "", "Unschedulable", str(scheduled.get("message", "")), waits=True)
    return None


def _container_problem(pod: str, container: Mapping[str, Any]) -> Problem | None:
    state, last = container.get("state") or {}, container.get("lastState") or {}
    waiting = state.get("waiting") or {}
    restarts = int(container.get("restartCount") or 0)
    name = str(container.get("name", ""))
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason in _WAITING_FATAL:
        return Problem(pod, name, reason, message, restarts)
    ended = last.get("terminated") or state.get("terminated") or {}
    exit_code = ended.get("exitCode")
    how = f"last exit code {exit_code}" + (f", {ended['reason']}" if ended.get("reason") else "")
    if reason == "CrashLoopBackOff" and restarts >= RESTARTS_FATAL:
        return Problem(pod, name, reason, how if exit_code is not None else message, restarts)
    if restarts > RESTARTS_FATAL and not container.get("ready") and exit_code is not None:
        return Problem(pod, name, "CrashLoop", how, restarts)
    return None


def laggards(pods: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    """Pods that are not ready, without a reason to call them lost: for the evidence when time ran out."""
    found = []
    for pod in pods:
        metadata, status = pod["metadata"], pod.get("status") or {}
        if metadata.get("deletionTimestamp") or _condition(status, "Ready").get("status") == "True":
            continue
        unready = [c for c in status.get("containerStatuses") or () if not c.get("ready")]
        first: Mapping[str, Any] = unready[0] if unready else {}
        restarts = int(first.get("restartCount") or 0)
        name = str(metadata["name"])
        found.append(
            Problem(name, str(first.get("name", "")), "not ready", _doing(first, status), restarts, waits=True)
        )
    return tuple(sorted(found, key=lambda p: (-p.restarts, p.pod)))


def _doing(container: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """What a container that is not ready is doing, in a few words."""
    state = container.get("state") or {}
    if "waiting" in state:
        return f"waiting, {state['waiting'].get('reason', 'reason unknown')}"
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if "exitCode" in ended:
        return f"last exit code {ended['exitCode']}"
    if "running" in state:
        return "running, and its readiness probe does not succeed"
    return f"phase {status.get('phase', 'unknown')}"


def newest_template_hash(deployment: Mapping[str, Any], replica_sets: Iterable[Mapping[str, Any]]) -> str:
    """The pod-template-hash of the Deployment's newest ReplicaSet, so that old pods' troubles do not count; "" where
    it has none yet."""
    uid = deployment["metadata"]["uid"]
    mine = [rs for rs in replica_sets if any(o.get("uid") == uid for o in rs["metadata"].get("ownerReferences") or ())]

    def revision(rs: Mapping[str, Any]) -> int:
        text = (rs["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision", "0")
        return int(text) if str(text).isdigit() else 0

    newest = max(mine, key=revision, default=None)
    return str((newest["metadata"].get("labels") or {}).get("pod-template-hash", "")) if newest else ""


def selector_text(selector: Mapping[str, Any]) -> str:
    """A LabelSelector as the labelSelector parameter."""
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(expression.get("values") or ())
        match expression["operator"]:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts)
