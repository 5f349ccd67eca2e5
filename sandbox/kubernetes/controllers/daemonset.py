"""DaemonSets: one pod on every node that the template may run on.

Callers: the cluster. Each pod is bound to its node by a required node affinity and placed by the scheduler, as in a
real cluster; the tolerations that daemons are given are those documented in kubernetes.io, "DaemonSet".
"""

from __future__ import annotations

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers import rollout
from sandbox.kubernetes.controllers.events import Recorder
from sandbox.kubernetes.controllers.fit import Slot, may_run_on, must_leave
from sandbox.kubernetes.controllers.owners import Owners, controller_of
from sandbox.kubernetes.controllers.podcontrol import (
    MANAGER,
    PodControl,
    available_in,
    has_ended,
    is_going,
    is_ready,
    pod_of,
)
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.controllers.revisions import HASH_LABEL, Revisions, hash_of
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.kinds import DAEMONSETS, NODES, PODS
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "daemonset-controller"
_GENERATION = "pod-template-generation"
_TOLERATED = tuple(
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect}
    for key, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
)


def with_tolerations(template: Object) -> Object:
    """The template with what every daemon tolerates."""
    spec = template["spec"]
    own = list(spec.get("tolerations") or ())
    known = {(t.get("key"), t.get("effect")) for t in own}
    more = [t for t in _TOLERATED if (t["key"], t["effect"]) not in known]
    return template | {"spec": spec | {"tolerations": [*own, *more]}}


def bound_to(spec: Object, node: str) -> Object:
    """The pod spec with a required affinity to that node in place of its own required node affinity."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = dict(spec.get("affinity") or {})
    required = {"nodeSelectorTerms": [term]}
    affinity["nodeAffinity"] = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": required,
    }
    return spec | {"affinity": affinity}


def node_of(pod: Object) -> str:
    """Where the pod runs or is to run."""
    if name := pod["spec"].get("nodeName"):
        return str(name)
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for row in term.get("matchFields") or ():
            return str((row.get("values") or [""])[0])
    return ""


class DaemonSets:
    """The controller."""

    def __init__(self, api: Api, owners: Owners, recorder: Recorder) -> None:
        self._api, self._owners = api, owners
        self._control = PodControl(api, recorder, NAME)
        self._revisions = Revisions(api, owners, DAEMONSETS)
        self.queue: Queue[Key] = Queue(NAME, self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(DAEMONSETS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is DAEMONSETS:
            if change.type != DELETED:
                self.queue.add(change.key)
        elif change.kind is NODES:
            self.start()
        elif change.kind is PODS:
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "DaemonSet":
                self.queue.add((change.key[0], owner["name"]))

    def _reconcile(self, key: Key) -> float | None:
        daemons = self._api.store.get(DAEMONSETS, *key)
        if daemons is None or is_going(daemons):
            return None
        newest = hash_of(self._revisions.current(daemons))
        template = with_tolerations(daemons["spec"]["template"])
        slots = {n["metadata"]["name"]: Slot.of(n) for n in self._api.store.list(NODES) if not is_going(n)}
        probe = {"metadata": {"namespace": key[0]}, "spec": template["spec"]}
        wanted = [name for name, slot in slots.items() if may_run_on(probe, slot)]
        staying = {name for name, slot in slots.items() if not must_leave(probe, slot)}
        retry_s: float | None = None
        try:
            self._manage(daemons, template, wanted, staying, newest)
            self._update(daemons, wanted, newest)
        except ApiError:
            retry_s = self._control.retry_s(daemons)
        soon = self._status(daemons, wanted, newest)
        waits = [w for w in (retry_s, soon) if w]
        return min(waits) if waits else None

    def _by_node(self, daemons: Object) -> dict[str, list[Object]]:
        rows: dict[str, list[Object]] = {}
        for pod in self._owners.of(daemons["metadata"]["uid"], PODS):
            rows.setdefault(node_of(pod), []).append(pod)
        return rows

    def _manage(self, daemons: Object, template: Object, wanted: list[str], staying: set[str], newest: str) -> None:
        """Makes what is missing, removes what is too much, has ended, or may not stay where it is."""
        rows = self._by_node(daemons)
        for name, pods in rows.items():
            alive = [p for p in pods if not is_going(p)]
            ended = [p for p in alive if has_ended(p)]
            running = sorted((p for p in alive if not has_ended(p)), key=lambda p: not is_ready(p))
            keep = 1 if name in staying else 0
            for pod in (*ended, *running[keep:]):
                self._control.delete(daemons, pod)
        labels = {HASH_LABEL: newest, _GENERATION: str(daemons["metadata"].get("generation", 1))}
        for name in wanted:
            if not rows.get(name):
                pod = pod_of(DAEMONSETS, daemons, template, labels=labels)
                pod["spec"] = bound_to(pod["spec"], name)
                self._control.create(daemons, pod)

    def _update(self, daemons: Object, wanted: list[str], newest: str) -> None:
        """Replaces pods of older revisions, as many at once as may be unavailable; at least one may."""
        strategy = daemons["spec"]["updateStrategy"]
        if strategy["type"] != "RollingUpdate":
            return
        rolling = strategy.get("rollingUpdate") or {}
        most = max(1, rollout.resolve(rolling.get("maxUnavailable", 1), len(wanted), up=True))
        rows = self._by_node(daemons)
        pods = [p for name in wanted for p in rows.get(name, ())]
        down = sum(not any(is_ready(p) and not is_going(p) for p in rows.get(name, ())) for name in wanted)
        old = [p for p in pods if hash_of(p) != newest and not is_going(p)]
        for pod in sorted(old, key=is_ready):
            if is_ready(pod):
                if down >= most:
                    return
                down += 1
            self._control.delete(daemons, pod)

    def _status(self, daemons: Object, wanted: list[str], newest: str) -> float | None:
        rows = self._by_node(daemons)
        now_s, least = self._api.clock(), daemons["spec"].get("minReadySeconds", 0)
        here = [p for name in wanted for p in rows.get(name, ())[:1] if not is_going(p)]
        waits = [available_in(p, least, now_s) for p in here]
        available = sum(w == 0 for w in waits)
        status: Object = {
            "observedGeneration": daemons["metadata"].get("generation", 1),
            "currentNumberScheduled": len(here),
            "desiredNumberScheduled": len(wanted),
            "numberMisscheduled": sum(bool(pods) for name, pods in rows.items() if name not in wanted),
            "numberReady": sum(is_ready(p) for p in here),
        }
        counts = {
            "updatedNumberScheduled": sum(hash_of(p) == newest for p in here),
            "numberAvailable": available,
            "numberUnavailable": len(wanted) - available,
        }
        self._api.system_status(DAEMONSETS, daemons, status | {k: v for k, v in counts.items() if v}, MANAGER)
        self._revisions.clean_up(daemons, {newest, *(hash_of(p) for pods in rows.values() for p in pods)})
        soon = [w for w in waits if w]
        return min(soon) if soon else None
