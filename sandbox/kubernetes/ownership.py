"""Server-side apply and the bookkeeping of managedFields. Pure: objects and managers in, objects and managers out.

Rules: kubernetes.io/docs/reference/using-api/server-side-apply, and structured-merge-diff's merge/update.go:
a conflict is a field of another manager whose *value* would change; a field that its applier drops is removed unless
somebody else owns it; an update takes over what it changes.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.kubernetes import schema
from sandbox.kubernetes.errors import ApiError, Cause
from sandbox.kubernetes.fieldsets import (
    UNOWNED,
    Node,
    Path,
    Paths,
    Shape,
    compare,
    field_set,
    from_fields_v1,
    item_key,
    keyed_items,
    node,
    show,
    to_fields_v1,
    value_key,
)

APPLY, UPDATE = "Apply", "Update"
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of managedFields. time: RFC 3339."""

    name: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: Paths

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.name, self.operation, self.api_version, self.subresource)

    def describe(self) -> str:
        """As conflict messages name it."""
        text = f'"{self.name}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        return f"{text} using {self.api_version} at {self.time}" if self.operation == UPDATE else text

    def to_dict(self) -> Object:
        entry: Object = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_fields_v1(self.fields),
        }
        return entry | ({"subresource": self.subresource} if self.subresource else {})


def managers_of(obj: Mapping[str, Any]) -> list[Manager]:
    """The parsed managedFields of an object."""
    return [
        Manager(
            e.get("manager", ""),
            e.get("operation", ""),
            e.get("apiVersion", ""),
            e.get("subresource", ""),
            e.get("time", ""),
            from_fields_v1(e.get("fieldsV1") or {}),
        )
        for e in obj.get("metadata", {}).get("managedFields") or ()
        if e
    ]


def with_managers(obj: Object, managers: Iterable[Manager]) -> Object:
    """The object with these managers written into its metadata; those who own nothing are left out."""
    entries = [m.to_dict() for m in managers if m.fields]
    metadata = {k: v for k, v in obj.get("metadata", {}).items() if k != "managedFields"}
    return obj | {"metadata": metadata | ({"managedFields": entries} if entries else {})}


def record_update(old: Object, new: Object, writer: Manager, model: str) -> list[Manager]:
    """Managers after `writer` (operation Update, its fields ignored) replaced old by new. old is {} on create."""
    difference = compare(old, new, model)
    managers = managers_of(old)
    if not difference:
        return managers
    changed, removed = frozenset(difference.changed), frozenset(difference.removed)
    kept = [m if m.key == writer.key else replace(m, fields=m.fields - changed - removed) for m in managers]
    mine = next((m.fields for m in kept if m.key == writer.key), frozenset())
    return _put(kept, replace(writer, fields=(mine | changed) - removed))


def _put(managers: list[Manager], entry: Manager) -> list[Manager]:
    """With the entry replaced in place, or added at the end."""
    for index, m in enumerate(managers):
        if m.key == entry.key:
            same = m.fields == entry.fields
            return [*managers[:index], m if same else entry, *managers[index + 1 :]]
    return [*managers, entry]


def apply(
    live: Object, applied: Object, applier: Manager, model: str, *, force: bool, kind_name: str = ""
) -> tuple[Object, list[Manager]]:
    """The object after server-side apply, and its managers. ApiError 409 with causes where values conflict."""
    applied = strip_nulls(applied)
    managers = managers_of(live)
    owned = field_set(applied, model)
    last = next((m.fields for m in managers if m.key == applier.key), frozenset[Path]())
    others = [m for m in managers if m.key != applier.key]
    merged = _merge(live, applied, model)
    merged = _prune(merged, last - owned, [owned, *(m.fields for m in others)])
    difference = compare(live, merged, model)
    changed, removed = frozenset(difference.changed), frozenset(difference.removed)
    conflicts = [(m, p) for m in others for p in sorted(m.fields & changed)]
    if conflicts and not force:
        raise _conflict(conflicts, kind_name)
    kept = [m if m.key == applier.key else replace(m, fields=m.fields - changed - removed) for m in managers]
    return merged, _put(kept, replace(applier, fields=owned))


def _conflict(conflicts: Sequence[tuple[Manager, Path]], kind_name: str) -> ApiError:
    causes = tuple(Cause("FieldManagerConflict", f"conflict with {m.describe()}", show(p)) for m, p in conflicts)
    if len(conflicts) == 1:
        text = f"Apply failed with 1 conflict: conflict with {conflicts[0][0].describe()}: {show(conflicts[0][1])}"
    else:
        by_manager: dict[str, list[str]] = {}
        for m, p in conflicts:
            by_manager.setdefault(m.describe(), []).append(f"- {show(p)}")
        rows = [f"conflicts with {who}:\n" + "\n".join(paths) for who, paths in by_manager.items()]
        text = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(rows)
    return ApiError(409, "Conflict", text, name=kind_name, causes=causes)


def strip_nulls(value: Any) -> Any:
    """Without null fields: in an applied object they mean absence."""
    if isinstance(value, dict):
        return {k: strip_nulls(v) for k, v in value.items() if v is not None}
    return [strip_nulls(v) for v in value] if isinstance(value, list) else value


# -- merging -----------------------------------------------------------------------------------------------------


def _merge(live: Any, applied: Mapping[str, Any], model: str, path: Path = ()) -> Object:
    result: Object = dict(live)
    for name, value in applied.items():
        if (*path, f"f:{name}") in UNOWNED and name in result:
            continue
        n = node(model, name, value)
        before = result.get(name)
        if n.shape is Shape.GRANULAR:
            below = before if isinstance(before, dict) else {}
            result[name] = _merge(below, value, n.type, (*path, f"f:{name}"))
        elif n.shape is Shape.WHOLE:
            result[name] = copy.deepcopy(value)
        else:
            result[name] = _merge_lists(before if isinstance(before, list) else [], value, n)
    return result


def _merge_lists(live: Sequence[Any], applied: Sequence[Any], n: Node) -> list[Any]:
    """Items of both: what only live has comes where it stood, the rest in the applied order."""
    before, after = keyed_items(live, n.keys), keyed_items(applied, n.keys)
    waiting = deque(before)
    merged: dict[str, Any] = {}

    def take_live() -> None:
        while waiting and (waiting[0] not in after or waiting[0] in merged):
            key = waiting.popleft()
            merged.setdefault(key, before[key])

    for key, item in after.items():
        take_live()
        if n.shape is Shape.KEYED and isinstance(item, dict):
            merged[key] = _merge(before.get(key, {}), item, n.item)
        else:
            merged[key] = item
    take_live()
    return list(merged.values())


# -- removing what its applier dropped -----------------------------------------------------------------------------


def _prune(obj: Object, dropped: Iterable[Path], owners: Sequence[Paths]) -> Object:
    """Without the dropped paths that nobody owns, nor anything beneath. Containers left without an owner go too."""
    held = {path[:i] for fields in owners for path in fields for i in range(1, len(path) + 1)}
    tops: set[Path] = set()
    for path in dropped:
        if path in held:
            continue
        top = path
        while len(top) > 2 and top[:-1] not in held:
            top = top[:-1]
        tops.add(top)
    for top in sorted(tops):
        obj = _remove(obj, top)
    return obj


def _remove(value: Any, path: Path) -> Any:
    """A copy of value without what is at path."""
    head, rest = path[0], path[1:]
    if head.startswith("f:"):
        name = head[2:]
        if not isinstance(value, dict) or name not in value:
            return value
        if rest:
            return value | {name: _remove(value[name], rest)}
        return {k: v for k, v in value.items() if k != name}
    if not isinstance(value, list):
        return value
    if rest:
        return [_remove(v, rest) if _is_item(v, head) else v for v in value]
    return [v for v in value if not _is_item(v, head)]


def _is_item(item: Any, element: str) -> bool:
    if element.startswith("v:"):
        return value_key(item) == element
    if not isinstance(item, dict):
        return False
    keys = next((keys for keys in _KEY_TUPLES if item_key(item, keys) == element), None)
    return keys is not None


_KEY_TUPLES = tuple(sorted(set(schema.LIST_KEYS.values())))
