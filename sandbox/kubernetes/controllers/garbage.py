"""What goes when its owner goes: dependents of deleted objects, and everything in a deleted namespace.

Callers: the cluster. Propagation as in kubernetes.io, "Garbage Collection": background, foreground, orphan.
"""

from __future__ import annotations

from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.controllers.owners import Owners
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.kinds import BY_KIND, BY_PLURAL, KINDS, NAMESPACES, SERVICE_ACCOUNTS, ResourceKind
from sandbox.kubernetes.store import DELETED, Change, Object

MANAGER = "kube-controller-manager"
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class GarbageCollector:
    """Keys are uids of owners that are gone, or (plural, namespace, name) of owners that wait for their dependents."""

    def __init__(self, api: Api, owners: Owners) -> None:
        self._api, self._owners = api, owners
        self.queue: Queue[tuple[str, ...]] = Queue("garbage-collector", self._collect)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store:
            kind = BY_KIND[obj["kind"]]
            if obj["metadata"].get("deletionTimestamp"):
                self._wait_for(kind, obj)
            for ref in obj["metadata"].get("ownerReferences") or ():
                self.queue.add(("gone", ref["uid"]))

    def _changed(self, change: Change) -> None:
        if change.type == DELETED:
            self.queue.add(("gone", change.obj["metadata"]["uid"]))
            for ref in change.obj["metadata"].get("ownerReferences") or ():
                above = BY_KIND.get(ref["kind"])
                owner = above and self._api.store.get(above, _space(above, change.key[0]), ref["name"])
                if above and owner and owner["metadata"].get("deletionTimestamp"):
                    self._wait_for(above, owner)
        elif change.obj["metadata"].get("deletionTimestamp"):
            self._wait_for(change.kind, change.obj)

    def _wait_for(self, kind: ResourceKind, obj: Object) -> None:
        if {FOREGROUND, ORPHAN} & set(obj["metadata"].get("finalizers") or ()):
            self.queue.add(("waits", kind.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))

    def _collect(self, key: tuple[str, ...]) -> None:
        if key[0] == "gone":
            for obj in self._owners.of(key[1]):
                self._without_owner(obj)
            return
        kind = BY_PLURAL[key[1]]
        owner = self._api.store.get(kind, key[2], key[3])
        if owner is None:
            return
        finalizers = owner["metadata"].get("finalizers") or []
        dependents = self._owners.of(owner["metadata"]["uid"])
        if ORPHAN in finalizers:
            for obj in dependents:
                self._drop_reference(obj, owner["metadata"]["uid"])
            self._finish(kind, owner, ORPHAN)
        elif FOREGROUND in finalizers:
            for obj in dependents:
                if not obj["metadata"].get("deletionTimestamp"):
                    self._delete(obj, "Foreground")
            if not any(_blocks(o, owner["metadata"]["uid"]) for o in self._owners.of(owner["metadata"]["uid"])):
                self._finish(kind, self._api.get(kind, key[2], key[3]), FOREGROUND)

    def _without_owner(self, obj: Object) -> None:
        """Deletes what has no living owner left."""
        for ref in obj["metadata"].get("ownerReferences") or ():
            kind = BY_KIND.get(ref["kind"])
            if kind is None:
                return
            owner = self._api.store.get(kind, _space(kind, obj["metadata"].get("namespace", "")), ref["name"])
            if owner is not None and owner["metadata"]["uid"] == ref["uid"]:
                return
        self._delete(obj, "Background")

    def _delete(self, obj: Object, propagation: str) -> None:
        meta = obj["metadata"]
        if meta.get("deletionTimestamp"):
            return
        kind = BY_KIND[obj["kind"]]
        leaf = propagation == "Foreground" and not self._owners.of(meta["uid"])
        how = Deletion("Background" if leaf else propagation)
        self._api.delete(kind, meta.get("namespace", ""), meta["name"], how)

    def _drop_reference(self, obj: Object, uid: str) -> None:
        meta = obj["metadata"]
        kept = [r for r in meta.get("ownerReferences") or () if r["uid"] != uid]
        new = {k: v for k, v in meta.items() if k != "ownerReferences"} | ({"ownerReferences": kept} if kept else {})
        self._api.system_update(BY_KIND[obj["kind"]], obj, obj | {"metadata": new}, MANAGER)

    def _finish(self, kind: ResourceKind, owner: Object, finalizer: str) -> None:
        meta = owner["metadata"]
        kept = [f for f in meta.get("finalizers") or () if f != finalizer]
        new = {k: v for k, v in meta.items() if k != "finalizers"} | ({"finalizers": kept} if kept else {})
        self._api.system_update(kind, owner, owner | {"metadata": new}, MANAGER)


def _space(kind: ResourceKind, namespace: str) -> str:
    """Where an owner of that kind is looked for: in the dependent's namespace, or in none."""
    return namespace if kind.namespaced else ""


def _blocks(obj: Object, uid: str) -> bool:
    """Whether the owner of that uid has to wait for this dependent before it goes."""
    rows = obj["metadata"].get("ownerReferences") or ()
    return any(r["uid"] == uid and r.get("blockOwnerDeletion") for r in rows)


class Namespaces:
    """Gives each namespace its service account, and empties those that are being deleted."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.queue: Queue[str] = Queue("namespace-controller", self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(NAMESPACES):
            self.queue.add(obj["metadata"]["name"])

    def _changed(self, change: Change) -> None:
        if change.kind is NAMESPACES and change.type != DELETED:
            self.queue.add(change.obj["metadata"]["name"])
        elif change.type == DELETED and change.kind.namespaced:
            space = self._api.store.get(NAMESPACES, "", change.key[0])
            going = space is not None and space["metadata"].get("deletionTimestamp")
            if going or (change.kind is SERVICE_ACCOUNTS and change.key[1] == "default"):
                self.queue.add(change.key[0])

    def _reconcile(self, name: str) -> None:
        space = self._api.store.get(NAMESPACES, "", name)
        if space is None:
            return
        if not space["metadata"].get("deletionTimestamp"):
            self._give_account(name)
            return
        left = 0
        for kind in KINDS:
            if not kind.namespaced:
                continue
            for obj in self._api.store.list(kind, name):
                left += 1
                if not obj["metadata"].get("deletionTimestamp"):
                    _, gone = self._api.delete(kind, name, obj["metadata"]["name"], Deletion())
                    left -= gone
        if not left and space["metadata"].get("deletionTimestamp"):
            self._api.store.remove(NAMESPACES, "", name)

    def _give_account(self, namespace: str) -> None:
        account: Object = {"metadata": {"name": "default", "namespace": namespace}}
        if self._api.store.get(SERVICE_ACCOUNTS, namespace, "default") is None:
            try:
                self._api.system_create(SERVICE_ACCOUNTS, account, MANAGER)
            except ApiError as exc:
                if exc.reason != "AlreadyExists":
                    raise
