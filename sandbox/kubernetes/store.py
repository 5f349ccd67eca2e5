"""The objects of one cluster, in memory, with a version per change and the history that watches replay.

Stored objects are never changed in place: a writer puts a new dict, so readers may keep what they were given.
Everything is synchronous; the loop that owns the cluster is the only caller. Non-goals: validation, persistence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandbox.kubernetes.errors import expired
from sandbox.kubernetes.kinds import BY_KIND, KINDS, ResourceKind
from sandbox.kubernetes.selectors import match_selector

Object = dict[str, Any]
Key = tuple[str, str]

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"
HISTORY: Final = 4096


@dataclass(frozen=True, slots=True)
class Change:
    """One write. obj: after it (for DELETED the last state, with the version of the deletion); old: before it."""

    kind: ResourceKind
    type: str
    obj: Object
    old: Object | None
    version: int

    @property
    def key(self) -> Key:
        return key_of(self.obj)


Listener = Callable[[Change], None]
Label = tuple[str, str, str]
"""(namespace, label, value)."""


def key_of(obj: Object) -> Key:
    """(namespace, name)."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def labels_of(obj: Object | None) -> Mapping[str, str]:
    """Empty where it has none, or is None."""
    found: Mapping[str, str] = (obj["metadata"].get("labels") or {}) if obj is not None else {}
    return found


class Store:
    """Objects by kind and (namespace, name). version: the latest resourceVersion."""

    def __init__(self, version: int = 1) -> None:
        self.version = version
        self._objects: dict[str, dict[Key, Object]] = {k.plural: {} for k in KINDS}
        self._by_label: dict[str, dict[Label, dict[Key, None]]] = {k.plural: {} for k in KINDS}
        self._history: dict[str, deque[Change]] = {k.plural: deque(maxlen=HISTORY) for k in KINDS}
        self._forgotten: dict[str, int] = {}
        self._listeners: list[Listener] = []

    def get(self, kind: ResourceKind, namespace: str, name: str) -> Object | None:
        return self._objects[kind.plural].get((namespace, name))

    def list(self, kind: ResourceKind, namespace: str = "") -> list[Object]:
        """In order of namespace and name; all namespaces where none is given."""
        objects = self._objects[kind.plural]
        return [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]

    def each(self, kind: ResourceKind) -> Iterable[Object]:
        """In no particular order, and quicker than list."""
        return tuple(self._objects[kind.plural].values())

    def selected(self, kind: ResourceKind, namespace: str, selector: Mapping[str, Any] | None) -> Sequence[Object]:
        """Those of a namespace that a LabelSelector object matches, in order of name; None matches nothing.

        Costs as much as there are objects with the rarest label that it asks for, not as there are objects.
        """
        if selector is None:
            return []
        objects, rows = self._objects[kind.plural], self._by_label[kind.plural]
        pairs = selector.get("matchLabels") or {}
        keys: Collection[Key] = objects
        for pair in pairs.items():
            keys = min(keys, rows.get((namespace, *pair), {}), key=len)
        found = (objects[key] for key in sorted(keys) if key[0] == namespace)
        return [obj for obj in found if match_selector(selector, labels_of(obj))]

    def put(self, kind: ResourceKind, obj: Object) -> Object:
        """Creates or replaces; returns the object with its new resourceVersion."""
        self.version += 1
        stored = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}
        key = key_of(stored)
        old = self._objects[kind.plural].get(key)
        self._objects[kind.plural][key] = stored
        self._label(kind, key, old, stored)
        self._tell(Change(kind, MODIFIED if old is not None else ADDED, stored, old, self.version))
        return stored

    def remove(self, kind: ResourceKind, namespace: str, name: str) -> Object | None:
        """The last state, or None where it was gone already."""
        old = self._objects[kind.plural].pop((namespace, name), None)
        if old is None:
            return None
        self._label(kind, (namespace, name), old, None)
        self.version += 1
        last = old | {"metadata": old["metadata"] | {"resourceVersion": str(self.version)}}
        self._tell(Change(kind, DELETED, last, old, self.version))
        return last

    def _label(self, kind: ResourceKind, key: Key, old: Object | None, new: Object | None) -> None:
        before, after = labels_of(old), labels_of(new)
        if before == after:
            return
        rows = self._by_label[kind.plural]
        for pair in before.items():
            keys = rows[key[0], *pair]
            del keys[key]
            if not keys:
                del rows[key[0], *pair]
        for pair in after.items():
            rows.setdefault((key[0], *pair), {})[key] = None

    def _tell(self, change: Change) -> None:
        history = self._history[change.kind.plural]
        if len(history) == HISTORY:
            self._forgotten[change.kind.plural] = history[0].version
        history.append(change)
        for listener in tuple(self._listeners):
            listener(change)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls the listener after each write, in order; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def since(self, kind: ResourceKind, version: int) -> Sequence[Change]:
        """Changes after that version. ApiError 410 where they are forgotten."""
        forgotten = self._forgotten.get(kind.plural, 0)
        if version < forgotten:
            raise expired(f"too old resource version: {version} ({forgotten})")
        return [c for c in self._history[kind.plural] if c.version > version]

    def list_at(self, kind: ResourceKind, version: int, namespace: str = "") -> Sequence[Object]:
        """As list, but the state of that version. ApiError 410 where it is forgotten."""
        objects = dict(self._objects[kind.plural])
        for change in reversed(self.since(kind, version)):
            if change.old is None:
                objects.pop(change.key, None)
            else:
                objects[change.key] = change.old
        return [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]

    # -- for a state folder ------------------------------------------------------------------------------------

    def dump(self) -> Sequence[Object]:
        return [obj for kind in KINDS for obj in self.list(kind)]

    def load(self, objects: Iterable[Object], version: int) -> None:
        """Puts objects back with their own resourceVersion, telling nobody; watches from before it are expired."""
        for obj in objects:
            kind, key = BY_KIND[obj["kind"]], key_of(obj)
            self._label(kind, key, self.get(kind, *key), obj)
            self._objects[kind.plural][key] = obj
        self.version = max(self.version, version)
        self._forgotten = {k.plural: self.version for k in KINDS}

    def __iter__(self) -> Iterator[Object]:
        return iter(self.dump())
