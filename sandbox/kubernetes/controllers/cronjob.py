"""CronJobs: a Job at each due time.

Callers: the cluster. A due time that was missed is made up for once, the latest only, within the starting deadline.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sandbox.kubernetes.api import Api, Deletion, timestamp
from sandbox.kubernetes.controllers.cron import Schedule
from sandbox.kubernetes.controllers.events import NORMAL, Recorder
from sandbox.kubernetes.controllers.job import finished
from sandbox.kubernetes.controllers.owners import Owners, controller_of, reference
from sandbox.kubernetes.controllers.podcontrol import MANAGER, is_going, seconds_of
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.kinds import CRONJOBS, JOBS
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "cronjob-controller"
_SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MOST_MISSED = 100


class CronJobs:
    """The controller."""

    def __init__(self, api: Api, owners: Owners, recorder: Recorder) -> None:
        self._api, self._owners, self._recorder = api, owners, recorder
        self.queue: Queue[Key] = Queue(NAME, self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(CRONJOBS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is CRONJOBS:
            if change.type != DELETED:
                self.queue.add(change.key)
        elif change.kind is JOBS:
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "CronJob":
                self.queue.add((change.key[0], owner["name"]))

    def _reconcile(self, key: Key) -> float | None:
        cron = self._api.store.get(CRONJOBS, *key)
        if cron is None or is_going(cron):
            return None
        jobs = self._owners.of(cron["metadata"]["uid"], JOBS)
        self._forget(cron, jobs)
        now_s = self._api.clock()
        due_s, next_s = self._due(cron, now_s)
        last_s = due_s if due_s is not None and self._start(cron, jobs, due_s, now_s) else None
        self._status(cron, last_s)
        return None if cron["spec"].get("suspend") or next_s is None else max(0.01, next_s - now_s)

    def _due(self, cron: Object, now_s: float) -> tuple[float | None, float | None]:
        """(the latest due time that nothing was started for, the next one), in epoch seconds."""
        spec = cron["spec"]
        since = (cron.get("status") or {}).get("lastScheduleTime") or cron["metadata"]["creationTimestamp"]
        begin_s = seconds_of(since)
        if (deadline_s := spec.get("startingDeadlineSeconds")) is not None:
            begin_s = max(begin_s, now_s - deadline_s)
        zone = ZoneInfo(spec["timeZone"]) if spec.get("timeZone") else UTC
        latest: float | None = None
        schedule = Schedule.parse(spec["schedule"])
        for count, moment in enumerate(schedule.after(datetime.fromtimestamp(begin_s, zone))):
            if moment.timestamp() > now_s:
                return latest, moment.timestamp()
            latest = moment.timestamp()
            if count >= _MOST_MISSED:
                self._recorder.tell(cron, "Warning", "TooManyMissedTimes", _TOO_MANY, NAME)
                after = next(schedule.after(datetime.fromtimestamp(now_s, zone)), None)
                return latest, after.timestamp() if after else None
        return latest, None

    def _start(self, cron: Object, jobs: list[Object], due_s: float, now_s: float) -> bool:
        spec, meta = cron["spec"], cron["metadata"]
        if spec.get("suspend"):
            return False
        active = [j for j in jobs if finished(j) is None]
        policy = spec.get("concurrencyPolicy", "Allow")
        if active and policy == "Forbid":
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._recorder.tell(cron, NORMAL, "JobAlreadyActive", text, NAME)
            return False
        if policy == "Replace":
            for job in active:
                self._api.delete(JOBS, meta["namespace"], job["metadata"]["name"], Deletion())
        name = f"{meta['name']}-{int(due_s) // 60}"
        if self._api.store.get(JOBS, meta["namespace"], name) is None:
            self._api.system_create(JOBS, self._job(cron, name, due_s), MANAGER)
            self._recorder.tell(cron, NORMAL, "SuccessfulCreate", f"Created job {name}", NAME)
        return due_s <= now_s

    def _job(self, cron: Object, name: str, due_s: float) -> Object:
        template = cron["spec"]["jobTemplate"]
        own = template.get("metadata") or {}
        stamp = timestamp(due_s)
        return {
            "metadata": {
                "name": name,
                "namespace": cron["metadata"]["namespace"],
                "labels": dict(own.get("labels") or {}),
                "annotations": {**(own.get("annotations") or {}), _SCHEDULED_AT: stamp},
                "ownerReferences": [reference(CRONJOBS, cron)],
            },
            "spec": template["spec"],
        }

    def _forget(self, cron: Object, jobs: list[Object]) -> None:
        """Deletes jobs that have ended beyond the limits of the history, the oldest first."""
        for word, field, most in (
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        ):
            ended = [j for j in jobs if (end := finished(j)) is not None and end["type"] == word and not is_going(j)]
            ended.sort(key=lambda j: (j["metadata"]["creationTimestamp"], j["metadata"]["name"]))
            for job in ended[: max(0, len(ended) - cron["spec"].get(field, most))]:
                self._api.delete(JOBS, job["metadata"]["namespace"], job["metadata"]["name"], Deletion())

    def _status(self, cron: Object, last_s: float | None) -> None:
        jobs = self._owners.of(cron["metadata"]["uid"], JOBS)
        status = {k: v for k, v in (cron.get("status") or {}).items() if k != "active"}
        active = [_job_reference(j) for j in jobs if finished(j) is None]
        if active:
            status["active"] = active
        if last_s is not None:
            status["lastScheduleTime"] = timestamp(last_s)
        good = [(j.get("status") or {}).get("completionTime", "") for j in jobs]
        if any(good):
            status["lastSuccessfulTime"] = max([*good, status.get("lastSuccessfulTime", "")])
        self._api.system_status(CRONJOBS, cron, status, MANAGER)


def _job_reference(job: Object) -> Object:
    meta = job["metadata"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
        "resourceVersion": meta["resourceVersion"],
    }


_TOO_MANY = (
    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew; "
    "only the latest is made up for"
)
