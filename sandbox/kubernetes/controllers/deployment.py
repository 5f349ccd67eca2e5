"""Deployments: one ReplicaSet per template, and pods moved from the old ones to the new one within the limits.

Callers: the cluster. The arithmetic is rollout.py, the status deployment_status.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers import deployment_status as status_of
from sandbox.kubernetes.controllers import rollout
from sandbox.kubernetes.controllers.events import NORMAL, Recorder
from sandbox.kubernetes.controllers.owners import Owners, controller_of, reference
from sandbox.kubernetes.controllers.podcontrol import MANAGER, condition
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.controllers.revisions import template_hash
from sandbox.kubernetes.controllers.rollout import Limits, Replicas
from sandbox.kubernetes.kinds import DEPLOYMENTS, PODS, REPLICASETS
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "deployment-controller"
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset({"kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MOST})


def bare_template(template: Object) -> Object:
    """The template without the hash label, to compare with a Deployment's."""
    meta = template.get("metadata") or {}
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH}
    return template | {"metadata": meta | {"labels": labels}}


def revision_of(obj: Object) -> int:
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def limits_of(deployment: Object) -> Limits:
    """Surge and unavailable in pods; Recreate has neither surge nor a lower bound."""
    spec = deployment["spec"]
    wanted = spec.get("replicas", 1)
    if spec["strategy"]["type"] == "Recreate":
        return Limits(wanted, 0, 0)
    rolling = spec["strategy"]["rollingUpdate"]
    return rollout.limits(rolling["maxSurge"], rolling["maxUnavailable"], wanted)


def _wanted(rs: Object) -> int:
    return int(rs["spec"].get("replicas", 0))


def _rows(sets: Sequence[Object]) -> list[Replicas]:
    ordered = sorted(sets, key=lambda rs: (rs["metadata"]["creationTimestamp"], revision_of(rs)))
    return [
        Replicas(
            rs["metadata"]["name"],
            _wanted(rs),
            (rs.get("status") or {}).get("availableReplicas", 0),
            index,
            int((rs["metadata"].get("annotations") or {}).get(MOST, "0")),
        )
        for index, rs in enumerate(ordered)
    ]


class Deployments:
    """The controller."""

    def __init__(self, api: Api, owners: Owners, recorder: Recorder) -> None:
        self._api, self._owners, self._recorder = api, owners, recorder
        self.queue: Queue[Key] = Queue(NAME, self.reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(DEPLOYMENTS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is DEPLOYMENTS:
            self.queue.add(change.key)
        elif change.kind is REPLICASETS:
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "Deployment":
                self.queue.add((change.key[0], owner["name"]))
        elif change.kind is PODS and change.type == DELETED:
            # Recreate waits for the last old pod to go.
            owner = controller_of(change.obj)
            rs = self._api.store.get(REPLICASETS, change.key[0], owner["name"]) if owner else None
            above = controller_of(rs) if rs else None
            if above is not None:
                self.queue.add((change.key[0], above["name"]))

    # -- one step ----------------------------------------------------------------------------------------------

    def reconcile(self, key: Key) -> float | None:
        """One step of the rollout; seconds until the progress deadline where one runs."""
        deployment = self._api.store.get(DEPLOYMENTS, *key)
        if deployment is None:
            return None
        sets = self._sets(deployment)
        if deployment["metadata"].get("deletionTimestamp"):
            return self._tell(deployment, sets, self._find_new(deployment, sets))
        deployment = self._note_pause(deployment)
        paused = bool(deployment["spec"].get("paused"))
        if paused or self._is_scaling(deployment, sets):
            new = self._sync_new(deployment, sets, create=False)
            deployment = self._api.get(DEPLOYMENTS, *key)
            self._scale_all(deployment, self._sets(deployment), new)
        elif deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(deployment, sets)
        else:
            self._roll(deployment, sets)
        deployment = self._api.get(DEPLOYMENTS, *key)
        # The status is about the ReplicaSets as this step found them, as the real controller's is; what it has scaled
        # just now is seen by the next step, which their change brings about.
        found = {rs["metadata"]["uid"]: rs for rs in sets}
        sets = [found.get(rs["metadata"]["uid"], rs) for rs in self._sets(deployment)]
        return self._tell(deployment, sets, self._find_new(deployment, sets))

    def _sets(self, deployment: Object) -> list[Object]:
        """Its ReplicaSets; those without an owner that its selector matches are adopted."""
        meta = deployment["metadata"]
        if not meta.get("deletionTimestamp"):
            for rs in self._api.store.selected(REPLICASETS, meta["namespace"], deployment["spec"]["selector"]):
                if controller_of(rs) is None and not rs["metadata"].get("deletionTimestamp"):
                    owned = [*(rs["metadata"].get("ownerReferences") or ()), reference(DEPLOYMENTS, deployment)]
                    new = rs | {"metadata": rs["metadata"] | {"ownerReferences": owned}}
                    self._api.system_update(REPLICASETS, rs, new, MANAGER)
        return self._owners.of(meta["uid"], REPLICASETS)

    def _find_new(self, deployment: Object, sets: Sequence[Object]) -> Object | None:
        wanted = bare_template(deployment["spec"]["template"])
        same = [rs for rs in sets if bare_template(rs["spec"]["template"]) == wanted]
        return min(same, key=lambda rs: rs["metadata"]["creationTimestamp"], default=None)

    def _is_scaling(self, deployment: Object, sets: Sequence[Object]) -> bool:
        wanted = str(deployment["spec"].get("replicas", 1))
        active = [rs for rs in sets if _wanted(rs) > 0]
        notes = [(rs["metadata"].get("annotations") or {}).get(DESIRED) for rs in active]
        return any(note is not None and note != wanted for note in notes)

    def _roll(self, deployment: Object, sets: list[Object]) -> None:
        new = self._sync_new(deployment, sets, create=True)
        if new is None:
            return
        deployment = self._api.get(DEPLOYMENTS, *_key(deployment))
        old = [rs for rs in self._sets(deployment) if rs["metadata"]["uid"] != new["metadata"]["uid"]]
        limit = limits_of(deployment)
        row = Replicas(new["metadata"]["name"], _wanted(new), (new.get("status") or {}).get("availableReplicas", 0))
        target = rollout.scale_up_new(row, _rows(old), limit)
        if target != row.wanted:
            self._scale(deployment, new, target)
            return
        changes = rollout.scale_down_old(row, _rows(old), limit)
        for rs in old:
            if rs["metadata"]["name"] in changes:
                self._scale(deployment, rs, changes[rs["metadata"]["name"]])
        if not changes:
            self._clean_up(deployment, old)

    def _recreate(self, deployment: Object, sets: list[Object]) -> None:
        new = self._find_new(deployment, sets)
        old = [rs for rs in sets if new is None or rs["metadata"]["uid"] != new["metadata"]["uid"]]
        running = [rs for rs in old if _wanted(rs) > 0]
        for rs in running:
            self._scale(deployment, rs, 0)
        left = [p for rs in old for p in self._owners.of(rs["metadata"]["uid"], PODS)]
        if running or any((p.get("status") or {}).get("phase") not in ("Failed", "Succeeded") for p in left):
            return
        new = self._sync_new(deployment, sets, create=True)
        if new is not None and _wanted(new) != deployment["spec"].get("replicas", 1):
            self._scale(deployment, new, deployment["spec"].get("replicas", 1))
        elif new is not None:
            self._clean_up(self._api.get(DEPLOYMENTS, *_key(deployment)), old)

    def _scale_all(self, deployment: Object, sets: list[Object], new: Object | None) -> None:
        """Scaling outside a step of the rollout: all active ReplicaSets in proportion."""
        wanted = deployment["spec"].get("replicas", 1)
        active = [rs for rs in sets if _wanted(rs) > 0]
        if len(active) <= 1:
            only = active[0] if active else new or max(sets, key=revision_of, default=None)
            if only is not None:
                self._scale(deployment, only, wanted)
            return
        saturated = (
            new is not None
            and _wanted(new) == wanted
            and (new["metadata"].get("annotations") or {}).get(DESIRED) == str(wanted)
            and (new.get("status") or {}).get("availableReplicas", 0) == wanted
        )
        if saturated and new is not None:
            sizes = {rs["metadata"]["name"]: 0 for rs in active if rs["metadata"]["uid"] != new["metadata"]["uid"]}
        elif deployment["spec"]["strategy"]["type"] == "RollingUpdate":
            sizes = rollout.scale_in_proportion(_rows(active), limits_of(deployment))
        else:
            return
        for rs in active:
            self._scale(deployment, rs, sizes.get(rs["metadata"]["name"], _wanted(rs)))

    # -- ReplicaSets -------------------------------------------------------------------------------------------

    def _sync_new(self, deployment: Object, sets: list[Object], *, create: bool) -> Object | None:
        """The ReplicaSet of the template, with its revision; made where it is missing and may be."""
        new = self._find_new(deployment, sets)
        others = [rs for rs in sets if new is None or rs["metadata"]["uid"] != new["metadata"]["uid"]]
        revision = max((revision_of(rs) for rs in others), default=0) + 1
        if new is not None:
            annotations = self._notes(deployment, new, max(revision, revision_of(new)))
            spec = new["spec"]
            if spec.get("minReadySeconds", 0) != deployment["spec"].get("minReadySeconds", 0):
                spec = spec | {"minReadySeconds": deployment["spec"].get("minReadySeconds", 0)}
            changed = new | {"metadata": new["metadata"] | {"annotations": annotations}, "spec": spec}
            new = self._api.system_update(REPLICASETS, new, changed, MANAGER)
            self._note_revision(deployment, new, "FoundNewReplicaSet", f'Found new replica set "{_name(new)}"')
        elif create:
            new = self._create(deployment, others, revision)
            self._note_revision(deployment, new, "NewReplicaSetCreated", f'Created new replica set "{_name(new)}"')
        return new

    def _create(self, deployment: Object, others: list[Object], revision: int) -> Object:
        spec, meta = deployment["spec"], deployment["metadata"]
        collisions = (deployment.get("status") or {}).get("collisionCount", 0)
        digest = template_hash(spec["template"], collisions)
        while self._api.store.get(REPLICASETS, meta["namespace"], f"{meta['name']}-{digest}") is not None:
            collisions += 1
            digest = template_hash(spec["template"], collisions)
        own = spec["template"].get("metadata") or {}
        labels = {**(own.get("labels") or {}), HASH: digest}
        selector = spec["selector"]
        first = rollout.scale_up_new(Replicas("", 0), _rows(others), limits_of(deployment))
        rs: Object = {
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "namespace": meta["namespace"],
                "labels": labels,
                "ownerReferences": [reference(DEPLOYMENTS, deployment)],
            },
            "spec": {
                "replicas": first,
                "selector": selector | {"matchLabels": {**(selector.get("matchLabels") or {}), HASH: digest}},
                "template": spec["template"] | {"metadata": own | {"labels": labels}},
            },
        }
        if spec.get("minReadySeconds"):
            rs["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        rs["metadata"]["annotations"] = self._notes(deployment, rs, revision)
        made = self._api.system_create(REPLICASETS, rs, MANAGER)
        if first > 0:
            self._say(deployment, f"Scaled up replica set {_name(made)} from 0 to {first}")
        return made

    def _notes(self, deployment: Object, rs: Object, revision: int | None = None) -> dict[str, str]:
        """Annotations of a ReplicaSet: the Deployment's, the revision, and the sizes of its last scaling."""
        limit = limits_of(deployment)
        notes = dict(rs["metadata"].get("annotations") or {})
        own = deployment["metadata"].get("annotations") or {}
        if revision is not None:
            notes |= {k: v for k, v in own.items() if k not in _NOT_COPIED}
            notes[REVISION] = str(revision)
        return notes | {DESIRED: str(limit.desired), MOST: str(limit.most)}

    def _scale(self, deployment: Object, rs: Object, target: int) -> None:
        before = _wanted(rs)
        meta = rs["metadata"] | {"annotations": self._notes(deployment, rs)}
        self._api.system_update(
            REPLICASETS, rs, rs | {"metadata": meta, "spec": rs["spec"] | {"replicas": target}}, MANAGER
        )
        if target != before:
            word = "up" if target > before else "down"
            self._say(deployment, f"Scaled {word} replica set {_name(rs)} from {before} to {target}")

    def _clean_up(self, deployment: Object, old: list[Object]) -> None:
        """Old ReplicaSets beyond the history limit go, the oldest first, once the rollout is complete."""
        if not status_of.is_complete(deployment, deployment.get("status") or {}):
            return
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        alive = sorted((rs for rs in old if not rs["metadata"].get("deletionTimestamp")), key=revision_of)
        for rs in alive[: max(0, len(alive) - limit)]:
            if _wanted(rs) == 0 and (rs.get("status") or {}).get("replicas", 0) == 0:
                self._api.delete(REPLICASETS, rs["metadata"]["namespace"], _name(rs), Deletion())

    # -- status ------------------------------------------------------------------------------------------------

    def _note_revision(self, deployment: Object, rs: Object, reason: str, message: str) -> None:
        """The revision as an annotation, and that its ReplicaSet is there as a condition, in one write."""
        meta, status = deployment["metadata"], deployment.get("status") or {}
        notes = {**(meta.get("annotations") or {}), REVISION: str(revision_of(rs))}
        has_deadline = deployment["spec"].get("progressDeadlineSeconds") is not None
        if has_deadline and (reason == "NewReplicaSetCreated" or condition(deployment, "Progressing") is None):
            row = status_of.make_condition("Progressing", "True", reason, message, self._api.now())
            status = status | {"conditions": status_of.with_condition(status.get("conditions") or (), row)}
        changed = deployment | {"metadata": meta | {"annotations": notes}}
        if status:
            changed["status"] = status
        self._api.system_update(DEPLOYMENTS, deployment, changed, MANAGER)

    def _note_pause(self, deployment: Object) -> Object:
        if deployment["spec"].get("progressDeadlineSeconds") is None:
            return deployment
        current = condition(deployment, "Progressing")
        if current is not None and current["reason"] == status_of.TIMED_OUT_REASON:
            return deployment
        noted = current is not None and current["reason"] == "DeploymentPaused"
        paused = bool(deployment["spec"].get("paused"))
        if paused and not noted:
            return self._set_condition(deployment, "Unknown", "DeploymentPaused", "Deployment is paused")
        if not paused and noted:
            return self._set_condition(deployment, "Unknown", "DeploymentResumed", "Deployment is resumed")
        return deployment

    def _set_condition(self, deployment: Object, status: str, reason: str, message: str) -> Object:
        row = status_of.make_condition("Progressing", status, reason, message, self._api.now())
        old = deployment.get("status") or {}
        new = old | {"conditions": status_of.with_condition(old.get("conditions") or (), row)}
        return self._api.system_status(DEPLOYMENTS, deployment, new, MANAGER)

    def _tell(self, deployment: Object, sets: list[Object], new: Object | None) -> float | None:
        now_s, now = self._api.clock(), self._api.now()
        status = status_of.counts(deployment, sets, new, limits_of(deployment), now)
        if not deployment["spec"].get("paused") and not deployment["metadata"].get("deletionTimestamp"):
            status = status_of.progress(deployment, status, new, now_s, now)
        failures = [c for rs in sets if (c := condition(rs, "ReplicaFailure")) is not None]
        status["conditions"] = [c for c in status["conditions"] if c["type"] != "ReplicaFailure"]
        if failures:
            row = {**failures[0], "lastUpdateTime": failures[0]["lastTransitionTime"]}
            status["conditions"].append(row)
        deployment = self._api.system_status(DEPLOYMENTS, deployment, status, MANAGER)
        left = None if status_of.is_complete(deployment, status) else status_of.left_s(deployment, now_s)
        # Times have whole seconds: a moment later the deadline has passed for certain.
        return left + 0.1 if left else None

    def _say(self, deployment: Object, message: str) -> None:
        self._recorder.tell(deployment, NORMAL, "ScalingReplicaSet", message, NAME)


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])
