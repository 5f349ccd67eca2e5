"""Who owns what: an index over owner references, and what a controller may adopt.

Callers: the Deployment and ReplicaSet controllers and the garbage collector.
"""

from __future__ import annotations

from sandbox.kubernetes.kinds import BY_PLURAL, ResourceKind
from sandbox.kubernetes.store import DELETED, Change, Key, Object, Store

Ref = tuple[str, Key]
"""(plural, (namespace, name)) of an object."""


class Owners:
    """Dependents by the uid of their owner, kept up with the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._dependents: dict[str, dict[Ref, None]] = {}
        for obj in store:
            kind = next(k for k in BY_PLURAL.values() if k.kind == obj["kind"])
            self._enter(kind, obj)
        store.subscribe(self._changed)

    def of(self, uid: str, kind: ResourceKind | None = None) -> list[Object]:
        """The objects that name this uid as an owner; of one kind where one is given."""
        found = []
        for plural, key in tuple(self._dependents.get(uid, ())):
            if kind is None or kind.plural == plural:
                obj = self._store.get(BY_PLURAL[plural], *key)
                if obj is not None:
                    found.append(obj)
        return found

    def refs(self, uid: str) -> list[Ref]:
        return list(self._dependents.get(uid, ()))

    def _changed(self, change: Change) -> None:
        if change.old is not None and _uids(change.old) != (set() if change.type == DELETED else _uids(change.obj)):
            for uid in _uids(change.old):
                rows = self._dependents.get(uid, {})
                rows.pop((change.kind.plural, change.key), None)
                if not rows:
                    self._dependents.pop(uid, None)
        if change.type != DELETED:
            self._enter(change.kind, change.obj)

    def _enter(self, kind: ResourceKind, obj: Object) -> None:
        meta = obj["metadata"]
        for uid in _uids(obj):
            self._dependents.setdefault(uid, {})[(kind.plural, (meta.get("namespace", ""), meta["name"]))] = None


def _uids(obj: Object) -> set[str]:
    return {r["uid"] for r in obj["metadata"].get("ownerReferences") or ()}


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the object's controller."""
    return next((r for r in obj["metadata"].get("ownerReferences") or () if r.get("controller")), None)


def reference(kind: ResourceKind, owner: Object) -> Object:
    """The owner reference that a controller gives to what it makes."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
