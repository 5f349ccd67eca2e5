"""Claims and volumes: a claim is bound at once, to a volume that fits or to one that is made for it.

Callers: the cluster. No data is behind a volume. Binding does not wait for a pod, whatever the class says.
"""

from __future__ import annotations

from sandbox.kubernetes import quantities
from sandbox.kubernetes.admission import CLAIM_PROTECTION, DEFAULT_CLASS
from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers.events import NORMAL, WARNING, Recorder
from sandbox.kubernetes.controllers.podcontrol import MANAGER, has_ended, is_going
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.kinds import CLAIMS, PODS, STORAGE_CLASSES, VOLUMES
from sandbox.kubernetes.store import DELETED, Change, Key, Object

NAME = "persistentvolume-controller"
DEFAULT_CLASS_NAME = "standard"
PROVISIONER = "sandbox.duoyun.dev/volumes"
_VOLUME_PROTECTION = "kubernetes.io/pv-protection"
_BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}


def claims_of(pod: Object) -> list[str]:
    """Names of the claims that the pod's volumes use."""
    rows = (v.get("persistentVolumeClaim") for v in pod["spec"].get("volumes") or ())
    return [r["claimName"] for r in rows if r]


class Claims:
    """The controller. Keys: (namespace, name) of claims; ("", name) of volumes."""

    def __init__(self, api: Api, recorder: Recorder) -> None:
        self._api, self._recorder = api, recorder
        self.queue: Queue[Key] = Queue(NAME, self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in (*self._api.store.list(CLAIMS), *self._api.store.list(VOLUMES)):
            self.queue.add((obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind in (CLAIMS, VOLUMES):
            self.queue.add(change.key)
            name = change.obj["spec"].get("volumeName")
            if change.kind is CLAIMS and change.type == DELETED and name:
                self.queue.add(("", name))
        if change.kind in (VOLUMES, STORAGE_CLASSES) and change.type != DELETED:
            for claim in self._api.store.each(CLAIMS):
                if (claim.get("status") or {}).get("phase") != "Bound":
                    self.queue.add((claim["metadata"]["namespace"], claim["metadata"]["name"]))
        elif change.kind is PODS and (change.type == DELETED or has_ended(change.obj)):
            for name in claims_of(change.obj):
                self.queue.add((change.key[0], name))

    def _reconcile(self, key: Key) -> None:
        if not key[0]:
            self._look_after(key[1])
            return
        claim = self._api.store.get(CLAIMS, *key)
        if claim is None:
            return
        if is_going(claim):
            self._release(claim)
        elif (claim.get("status") or {}).get("phase") != "Bound":
            self._bind(claim)

    # -- claims ------------------------------------------------------------------------------------------------

    def _bind(self, claim: Object) -> None:
        spec = claim["spec"]
        volume = self._fitting(claim)
        if volume is None and spec.get("storageClassName") and not spec.get("volumeName"):
            volume = self._provision(claim)
        if volume is None:
            return
        meta = claim["metadata"]
        reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": meta["name"]}
        reference |= {k: meta[k] for k in ("namespace", "uid", "resourceVersion")}
        if ((volume["spec"].get("claimRef") or {}).get("uid")) != meta["uid"]:
            bound = volume | {"spec": volume["spec"] | {"claimRef": reference}}
            volume = self._api.system_update(VOLUMES, volume, bound, MANAGER)
        if (volume.get("status") or {}).get("phase") != "Bound":
            self._api.system_status(VOLUMES, volume, {"phase": "Bound"}, MANAGER)
        notes = {**(meta.get("annotations") or {}), **_BOUND}
        new = claim | {
            "metadata": meta | {"annotations": notes},
            "spec": spec | {"volumeName": volume["metadata"]["name"]},
        }
        claim = self._api.system_update(CLAIMS, claim, new, MANAGER)
        status = {
            "phase": "Bound",
            "accessModes": volume["spec"]["accessModes"],
            "capacity": volume["spec"]["capacity"],
        }
        self._api.system_status(CLAIMS, claim, status, MANAGER)

    def _fitting(self, claim: Object) -> Object | None:
        """The volume that the claim names, or that is kept for it, or the smallest free one that is large enough."""
        spec, meta = claim["spec"], claim["metadata"]
        wanted = quantities.parse(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))
        found: list[Object] = []
        for volume in self._api.store.list(VOLUMES):
            own, reference = volume["spec"], volume["spec"].get("claimRef")
            if reference is not None:
                named = (reference.get("namespace"), reference.get("name")) == (meta["namespace"], meta["name"])
                if named and reference.get("uid", meta["uid"]) == meta["uid"]:
                    return volume
                continue
            if spec.get("volumeName") == volume["metadata"]["name"]:
                return volume
            fits = (
                not spec.get("volumeName")
                and own.get("storageClassName", "") == spec.get("storageClassName", "")
                and set(spec.get("accessModes") or ()) <= set(own.get("accessModes") or ())
                and quantities.parse((own.get("capacity") or {}).get("storage", "0")) >= wanted
                and not is_going(volume)
            )
            if fits:
                found.append(volume)
        return min(found, key=lambda v: quantities.parse(v["spec"]["capacity"]["storage"]), default=None)

    def _provision(self, claim: Object) -> Object | None:
        meta, spec = claim["metadata"], claim["spec"]
        storage = self._api.store.get(STORAGE_CLASSES, "", spec["storageClassName"])
        if storage is None:
            text = f'storageclass.storage.k8s.io "{spec["storageClassName"]}" not found'
            self._recorder.tell(claim, WARNING, "ProvisioningFailed", text, NAME)
            return None
        name = f"pvc-{meta['uid']}"
        volume: Object = {
            "metadata": {
                "name": name,
                "annotations": {"pv.kubernetes.io/provisioned-by": storage["provisioner"]},
                "finalizers": [_VOLUME_PROTECTION],
            },
            "spec": {
                "accessModes": spec["accessModes"],
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "hostPath": {"path": f"/sandbox/{name}", "type": "DirectoryOrCreate"},
                "persistentVolumeReclaimPolicy": storage.get("reclaimPolicy", "Delete"),
                "storageClassName": spec["storageClassName"],
                "volumeMode": spec.get("volumeMode", "Filesystem"),
            },
        }
        made = self._api.system_create(VOLUMES, volume, MANAGER)
        self._recorder.tell(claim, NORMAL, "ProvisioningSucceeded", f"Successfully provisioned volume {name}", NAME)
        return made

    def _release(self, claim: Object) -> None:
        """Lets a claim go that is being deleted, once no pod uses it."""
        meta = claim["metadata"]
        pods = self._api.store.list(PODS, meta["namespace"])
        if not any(meta["name"] in claims_of(p) and not has_ended(p) for p in pods):
            self._without(CLAIM_PROTECTION, claim)

    def _without(self, finalizer: str, obj: Object) -> None:
        meta = obj["metadata"]
        kept = [f for f in meta.get("finalizers") or () if f != finalizer]
        new = {k: v for k, v in meta.items() if k != "finalizers"} | ({"finalizers": kept} if kept else {})
        kind = CLAIMS if obj["kind"] == CLAIMS.kind else VOLUMES
        self._api.system_update(kind, obj, obj | {"metadata": new}, MANAGER)

    # -- volumes -----------------------------------------------------------------------------------------------

    def _look_after(self, name: str) -> None:
        """Marks volumes available or released, and deletes those whose claim is gone and policy says so."""
        volume = self._api.store.get(VOLUMES, "", name)
        if volume is None:
            return
        reference = volume["spec"].get("claimRef")
        if is_going(volume):
            if reference is None or not self._lives(reference):
                self._without(_VOLUME_PROTECTION, volume)
            return
        phase = (volume.get("status") or {}).get("phase", "Pending")
        if reference is None:
            wanted = "Available"
        elif reference.get("uid") and not self._lives(reference):
            if volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
                self._api.delete(VOLUMES, "", name, Deletion())
                return
            wanted = "Released"
        else:
            wanted = phase if phase in ("Bound", "Available") else "Available"
        if wanted != phase:
            self._api.system_status(VOLUMES, volume, {"phase": wanted}, MANAGER)

    def _lives(self, reference: Object) -> bool:
        claim = self._api.store.get(CLAIMS, reference.get("namespace", ""), reference.get("name", ""))
        return claim is not None and claim["metadata"]["uid"] == reference.get("uid")


def default_class() -> Object:
    """The storage class that a cluster has from the start."""
    return {
        "metadata": {"name": DEFAULT_CLASS_NAME, "annotations": {DEFAULT_CLASS: "true"}},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
