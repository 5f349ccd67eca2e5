"""StatefulSets: pods with a number and a claim each, made and replaced in order.

Callers: the cluster. As documented in kubernetes.io, "StatefulSets": OrderedReady and Parallel, rolling updates from
the highest number down to the partition, OnDelete, claims that stay unless the retention policy says otherwise.
"""

from __future__ import annotations

from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers.events import Recorder
from sandbox.kubernetes.controllers.owners import Owners, controller_of, reference
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
from sandbox.kubernetes.kinds import CLAIMS, PODS, REVISIONS, STATEFULSETS
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "statefulset-controller"
_POD_NAME, _POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


def ordinal_of(sts: Object, pod: Object) -> int:
    """The pod's number; -1 where it is none of the set's names."""
    prefix, _, number = pod["metadata"]["name"].rpartition("-")
    return int(number) if prefix == sts["metadata"]["name"] and number.isdigit() else -1


def claim_name(template: Object, sts: Object, ordinal: int) -> str:
    return f"{template['metadata']['name']}-{sts['metadata']['name']}-{ordinal}"


class StatefulSets:
    """The controller."""

    def __init__(self, api: Api, owners: Owners, recorder: Recorder) -> None:
        self._api, self._owners = api, owners
        self._control = PodControl(api, recorder, NAME)
        self._revisions = Revisions(api, owners, STATEFULSETS)
        self.queue: Queue[Key] = Queue(NAME, self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(STATEFULSETS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is STATEFULSETS:
            if change.type != DELETED:
                self.queue.add(change.key)
        elif change.kind is PODS or (change.kind is REVISIONS and change.type == DELETED):
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "StatefulSet":
                self.queue.add((change.key[0], owner["name"]))

    # -- one step ----------------------------------------------------------------------------------------------

    def _reconcile(self, key: Key) -> float | None:
        sts = self._api.store.get(STATEFULSETS, *key)
        if sts is None or is_going(sts):
            return None
        newest = self._revisions.current(sts)
        retry_s: float | None = None
        try:
            self._step(sts, hash_of(newest))
        except ApiError:
            retry_s = self._control.retry_s(sts)
        soon = self._status(sts, newest)
        waits = [w for w in (retry_s, soon) if w]
        return min(waits) if waits else None

    def _pods(self, sts: Object) -> dict[int, Object]:
        found = {ordinal_of(sts, p): p for p in self._owners.of(sts["metadata"]["uid"], PODS)}
        found.pop(-1, None)
        return dict(sorted(found.items()))

    def _step(self, sts: Object, newest: str) -> None:
        """Makes, replaces or removes as much as the order allows now."""
        spec, pods = sts["spec"], self._pods(sts)
        first = int((spec.get("ordinals") or {}).get("start", 0))
        wanted = range(first, first + spec.get("replicas", 1))
        parallel = spec.get("podManagementPolicy", "OrderedReady") == "Parallel"
        for ordinal in wanted:
            pod = pods.get(ordinal)
            if pod is None:
                self._create(sts, ordinal, newest)
            elif has_ended(pod) and not is_going(pod):
                self._control.delete(
                    sts, pod, "delete Pod {} in StatefulSet " + sts["metadata"]["name"] + " successful"
                )
            if not parallel and (pod is None or not _healthy(pod)):
                return
        if not self._remove(sts, [p for n, p in reversed(pods.items()) if n not in wanted], parallel=parallel):
            return
        if spec["updateStrategy"]["type"] == "RollingUpdate":
            self._update(sts, {n: p for n, p in pods.items() if n in wanted}, newest)

    def _remove(self, sts: Object, condemned: list[Object], *, parallel: bool) -> bool:
        """Deletes what is beyond the wanted number, the highest first; whether none was left."""
        for pod in condemned:
            self._control.delete(sts, pod, "delete Pod {} in StatefulSet " + sts["metadata"]["name"] + " successful")
            if not parallel:
                return False
        if (
            not condemned
            and (sts["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get("whenScaled") == "Delete"
        ):
            self._drop_claims(sts)
        return not condemned

    def _drop_claims(self, sts: Object) -> None:
        """Claims of numbers that are not wanted any more, where the policy says so."""
        spec = sts["spec"]
        first = int((spec.get("ordinals") or {}).get("start", 0))
        for template in spec.get("volumeClaimTemplates") or ():
            prefix = f"{template['metadata']['name']}-{sts['metadata']['name']}-"
            for claim in self._api.store.list(CLAIMS, sts["metadata"]["namespace"]):
                number = claim["metadata"]["name"].removeprefix(prefix)
                ours = claim["metadata"]["name"].startswith(prefix) and number.isdigit() and not is_going(claim)
                if ours and int(number) not in range(first, first + spec.get("replicas", 1)):
                    self._api.delete(CLAIMS, claim["metadata"]["namespace"], claim["metadata"]["name"], Deletion())

    def _update(self, sts: Object, pods: dict[int, Object], newest: str) -> None:
        """Replaces the next pod of an older revision; waits while one is not healthy."""
        partition = (sts["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0)
        for ordinal, pod in reversed(pods.items()):
            if ordinal < partition:
                return
            if hash_of(pod) != newest and not is_going(pod):
                name = sts["metadata"]["name"]
                self._control.delete(sts, pod, "delete Pod {} in StatefulSet " + name + " successful")
                return
            if not _healthy(pod):
                return

    def _create(self, sts: Object, ordinal: int, newest: str) -> None:
        meta, spec = sts["metadata"], sts["spec"]
        partition = (spec["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0)
        template, revision = spec["template"], newest
        if ordinal < partition and (older := self._older(sts)) is not None:
            template, revision = older["data"]["spec"]["template"], hash_of(older)
        name = f"{meta['name']}-{ordinal}"
        labels = {_POD_NAME: name, _POD_INDEX: str(ordinal), HASH_LABEL: revision}
        template = {k: v for k, v in template.items() if k != "$patch"}
        pod = pod_of(STATEFULSETS, sts, template, name=name, labels=labels)
        pod["spec"] = {**pod["spec"], "hostname": name}
        if spec.get("serviceName"):
            pod["spec"]["subdomain"] = spec["serviceName"]
        claims = [self._claim(sts, row, ordinal) for row in spec.get("volumeClaimTemplates") or ()]
        if claims:
            own = {c["name"] for c in claims}
            pod["spec"]["volumes"] = [
                *claims,
                *(v for v in pod["spec"].get("volumes") or () if v["name"] not in own),
            ]
        self._control.create(sts, pod, "create Pod {} in StatefulSet " + meta["name"] + " successful")

    def _older(self, sts: Object) -> Object | None:
        current = (sts.get("status") or {}).get("currentRevision")
        return next((r for r in self._revisions.of(sts) if r["metadata"]["name"] == current), None)

    def _claim(self, sts: Object, template: Object, ordinal: int) -> Object:
        """Makes the claim where it is missing; the pod's volume that uses it."""
        meta, name = sts["metadata"], claim_name(template, sts, ordinal)
        if self._api.store.get(CLAIMS, meta["namespace"], name) is None:
            own = template["metadata"]
            labels = {**(own.get("labels") or {}), **((sts["spec"]["selector"] or {}).get("matchLabels") or {})}
            claim: Object = {
                "metadata": {"name": name, "namespace": meta["namespace"], "labels": labels},
                "spec": template["spec"],
            }
            if (sts["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get("whenDeleted") == "Delete":
                claim["metadata"]["ownerReferences"] = [reference(STATEFULSETS, sts)]
            self._api.system_create(CLAIMS, claim, MANAGER)
            text = f"create Claim {name} Pod {meta['name']}-{ordinal} in StatefulSet {meta['name']} success"
            self._control.tell(sts, "SuccessfulCreate", text)
        return {"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": name}}

    # -- status ------------------------------------------------------------------------------------------------

    def _status(self, sts: Object, newest: Object) -> float | None:
        """Writes the status; seconds until a pod becomes available, if that is near."""
        pods = [p for p in self._pods(sts).values() if not has_ended(p)]
        spec, before = sts["spec"], sts.get("status") or {}
        update = newest["metadata"]["name"]
        current = before.get("currentRevision") or update
        on = {r["metadata"]["name"]: hash_of(r) for r in self._revisions.of(sts)}
        steady = [p for p in pods if not is_going(p)]
        waits = [available_in(p, spec.get("minReadySeconds", 0), self._api.clock()) for p in steady]
        counts = {
            "readyReplicas": sum(is_ready(p) for p in steady),
            "currentReplicas": sum(hash_of(p) == on.get(current) for p in steady),
            "updatedReplicas": sum(hash_of(p) == on.get(update) for p in steady),
        }
        rolled = counts["updatedReplicas"] == len(pods) == counts["readyReplicas"] == spec.get("replicas", 1)
        if rolled and spec["updateStrategy"]["type"] == "RollingUpdate":
            current, counts["currentReplicas"] = update, counts["updatedReplicas"]
        status: Object = {
            "observedGeneration": sts["metadata"].get("generation", 1),
            "replicas": len(pods),
            "availableReplicas": sum(w == 0 for w in waits),
            "collisionCount": 0,
            "currentRevision": current,
            "updateRevision": update,
            **{k: v for k, v in counts.items() if v},
        }
        self._api.system_status(STATEFULSETS, sts, status, MANAGER)
        self._revisions.clean_up(sts, {on.get(current, ""), on.get(update, ""), *(hash_of(p) for p in pods)})
        soon = [w for w in waits if w]
        return min(soon) if soon else None


def _healthy(pod: Object) -> bool:
    return is_ready(pod) and not is_going(pod)
