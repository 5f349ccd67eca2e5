"""Jobs: pods that are to end well, a number of times.

Callers: the cluster. Counting, back-off limit, deadlines, suspension, indexed completions and time to live as
documented in kubernetes.io, "Jobs". Non-goals: pod failure policies, success policies, a limit per index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers.events import NORMAL, WARNING, Recorder
from sandbox.kubernetes.controllers.owners import Owners, controller_of
from sandbox.kubernetes.controllers.podcontrol import (
    MANAGER,
    PodControl,
    condition,
    has_ended,
    is_active,
    is_going,
    is_ready,
    pod_of,
    seconds_of,
)
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.kinds import JOBS, PODS
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "job-controller"
INDEX = "batch.kubernetes.io/job-completion-index"


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))


def index_of(pod: Object) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() else -1


def ranges(numbers: Sequence[int]) -> str:
    """`0-2,5`: completed indexes as the API writes them."""
    rows: list[list[int]] = []
    for number in sorted(numbers):
        if rows and rows[-1][1] == number - 1:
            rows[-1][1] = number
        else:
            rows.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in rows)


def finished(job: Object) -> Object | None:
    """The condition that says that the job has ended, well or not."""
    return next((c for k in ("Complete", "Failed") if (c := condition(job, k)) and c["status"] == "True"), None)


class Jobs:
    """The controller. wait_s(failures): how long to wait before a failed pod is replaced, counted from one."""

    def __init__(self, api: Api, owners: Owners, recorder: Recorder, wait_s: Callable[[int], float]) -> None:
        self._api, self._owners, self._recorder, self._wait_s = api, owners, recorder, wait_s
        self._control = PodControl(api, recorder, NAME)
        self.queue: Queue[Key] = Queue(NAME, self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(JOBS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is JOBS:
            if change.type != DELETED:
                self.queue.add(change.key)
        elif change.kind is PODS:
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "Job":
                self.queue.add((change.key[0], owner["name"]))

    def _reconcile(self, key: Key) -> float | None:
        job = self._api.store.get(JOBS, *key)
        if job is None or is_going(job):
            return None
        if (end := finished(job)) is not None:
            return self._expire(job, end)
        pods = self._owners.of(job["metadata"]["uid"], PODS)
        before = job.get("status") or {}
        failed = max(sum(phase(p) == "Failed" for p in pods), before.get("failed", 0))
        verdict = self._verdict(job, pods, failed)
        again_s: float | None = None
        if verdict is not None or job["spec"].get("suspend"):
            for pod in pods:
                if is_active(pod):
                    self._control.delete(job, pod)
        else:
            try:
                again_s = self._run(job, pods, failed)
            except ApiError:
                again_s = self._control.retry_s(job)
        self._status(job, failed, verdict)
        waits = [w for w in (again_s, self._left_s(job)) if w is not None]
        return min(waits) if waits else None

    def _succeeded(self, job: Object, pods: Sequence[Object]) -> int:
        good = [p for p in pods if phase(p) == "Succeeded"]
        if job["spec"].get("completionMode") == "Indexed":
            return len({index_of(p) for p in good})
        return max(len(good), int((job.get("status") or {}).get("succeeded", 0)))

    def _verdict(self, job: Object, pods: Sequence[Object], failed: int) -> tuple[str, str, str] | None:
        """(condition, reason, message) once the job has ended."""
        spec = job["spec"]
        succeeded, active = self._succeeded(job, pods), [p for p in pods if is_active(p)]
        restarts = sum(
            s.get("restartCount", 0)
            for p in active
            for s in (p.get("status") or {}).get("containerStatuses") or ()
            if spec["template"]["spec"].get("restartPolicy") == "OnFailure"
        )
        limit = spec.get("backoffLimit", 6)
        if failed > limit or (restarts and restarts >= max(limit, 1)):
            return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if self._left_s(job) == 0.0:
            return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
        wanted = spec.get("completions")
        enough = succeeded >= wanted if wanted is not None else succeeded > 0 and not active
        if enough:
            return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        return None

    def _left_s(self, job: Object) -> float | None:
        """Seconds until the job's deadline; None where it has none, or is suspended."""
        limit, begin = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
        if limit is None or begin is None or job["spec"].get("suspend"):
            return None
        return float(max(0.0, seconds_of(begin) + limit - self._api.clock()))

    def _run(self, job: Object, pods: Sequence[Object], failed: int) -> float | None:
        """Makes pods up to the parallelism; seconds to wait where one has just failed."""
        spec, active = job["spec"], [p for p in pods if not has_ended(p)]
        wanted, most = spec.get("completions"), spec.get("parallelism", 1)
        succeeded = self._succeeded(job, pods)
        if wanted is not None:
            most = min(most, wanted - succeeded)
        elif succeeded:
            most = len(active)
        for pod in active[max(most, 0) :]:
            self._control.delete(job, pod)
        if most <= len(active):
            return None
        if failed:
            ended = max((_ended_at(p) for p in pods if phase(p) == "Failed"), default=0.0)
            left_s = ended + self._wait_s(failed) - self._api.clock()
            if left_s > 0:
                return left_s
        for index in self._free_indexes(job, pods, most - len(active)):
            self._create(job, index)
        return None

    def _free_indexes(self, job: Object, pods: Sequence[Object], count: int) -> list[int]:
        if job["spec"].get("completionMode") != "Indexed":
            return [-1] * count
        taken = {index_of(p) for p in pods if phase(p) == "Succeeded" or not has_ended(p)}
        return [n for n in range(job["spec"].get("completions", 1)) if n not in taken][:count]

    def _create(self, job: Object, index: int) -> None:
        notes = {INDEX: str(index)} if index >= 0 else {}
        pod = pod_of(JOBS, job, job["spec"]["template"], annotations=notes, labels=notes)
        if index >= 0:
            name = f"{job['metadata']['name']}-{index}"
            pod["metadata"]["generateName"] = f"{name}-"
            field = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
            row = {"name": "JOB_COMPLETION_INDEX", "valueFrom": field}
            containers = [c | {"env": [*(c.get("env") or ()), row]} for c in pod["spec"]["containers"]]
            pod["spec"] = pod["spec"] | {"containers": containers, "hostname": name}
        self._control.create(job, pod)

    # -- status ------------------------------------------------------------------------------------------------

    def _status(self, job: Object, failed: int, verdict: tuple[str, str, str] | None) -> None:
        now, before = self._api.now(), job.get("status") or {}
        pods = self._owners.of(job["metadata"]["uid"], PODS)
        active = [p for p in pods if is_active(p)]
        status: Object = {"uncountedTerminatedPods": {}, "ready": sum(is_ready(p) for p in active)}
        counts = {"active": len(active), "succeeded": self._succeeded(job, pods), "failed": failed}
        status |= {k: v for k, v in counts.items() if v}
        if job["spec"].get("completionMode") == "Indexed":
            done = ranges([index_of(p) for p in pods if phase(p) == "Succeeded"])
            status |= {"completedIndexes": done} if done else {}
        conditions = list(before.get("conditions") or ())
        suspended = bool(job["spec"].get("suspend"))
        if not suspended:
            resumed = any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)
            status["startTime"] = before.get("startTime", now) if not resumed else now
        conditions = self._suspension(job, conditions, suspended=suspended)
        if verdict is not None:
            early = "SuccessCriteriaMet" if verdict[0] == "Complete" else "FailureTarget"
            conditions += [_row(kind, verdict[1], verdict[2], now) for kind in (early, verdict[0])]
            if verdict[0] == "Complete":
                status["completionTime"] = now
        if conditions:
            status["conditions"] = conditions
        self._api.system_status(JOBS, job, status, MANAGER)
        if verdict is not None:
            good = verdict[0] == "Complete"
            told = ("Completed", "Job completed") if good else verdict[1:]
            self._recorder.tell(job, NORMAL if good else WARNING, told[0], told[1], NAME)

    def _suspension(self, job: Object, conditions: list[Object], *, suspended: bool) -> list[Object]:
        known = next((c for c in conditions if c["type"] == "Suspended"), None)
        if (known is None and not suspended) or (known is not None and (known["status"] == "True") is suspended):
            return conditions
        word, text = ("Suspended", "Job suspended") if suspended else ("Resumed", "Job resumed")
        row = _row("Suspended", f"Job{word}", text, self._api.now(), good=suspended)
        self._recorder.tell(job, NORMAL, word, text, NAME)
        return [*(c for c in conditions if c["type"] != "Suspended"), row]

    def _expire(self, job: Object, end: Object) -> float | None:
        """Deletes a job that has ended once its time to live is over; seconds until then."""
        life_s = job["spec"].get("ttlSecondsAfterFinished")
        if life_s is None:
            return None
        left_s = float(seconds_of(end["lastTransitionTime"]) + life_s - self._api.clock())
        if left_s > 0:
            return left_s
        meta = job["metadata"]
        self._api.delete(JOBS, meta["namespace"], meta["name"], Deletion("Foreground"))
        return None


def _ended_at(pod: Object) -> float:
    rows = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [((r.get("state") or {}).get("terminated") or {}).get("finishedAt") for r in rows]
    return max((seconds_of(e) for e in ends if e), default=0.0)


def _row(kind: str, reason: str, message: str, now: str, *, good: bool = True) -> Object:
    times = {"lastProbeTime": now, "lastTransitionTime": now}
    return {"type": kind, "status": "True" if good else "False", "reason": reason, "message": message} | times
