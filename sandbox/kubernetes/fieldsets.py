"""Sets of field paths: who owns what of an object, and what changed between two versions of it. Pure.

A path is a tuple of the elements of fieldsV1: `f:name`, `k:{"name":"web"}`, `v:"finalizer"`. Format and meaning:
structured-merge-diff's fieldpath package, as documented for metadata.managedFields.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, Final, NamedTuple

from sandbox.kubernetes import schema

Path = tuple[str, ...]
Paths = frozenset[Path]

# What nobody owns: identity and what the server writes.
UNOWNED: Final = frozenset(
    {("f:apiVersion",), ("f:kind",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink",
            "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds",
        )
    }
)  # fmt: skip
# Structs that are part of every object of their kind, so that nobody is the one who added them.
_ALWAYS_THERE: Final = frozenset({"f:metadata", "f:spec", "f:status", "f:template", "f:strategy"})


class Shape(Enum):
    """How a value merges: field by field, item by item, as a set, or as a whole."""

    GRANULAR = "granular"
    KEYED = "keyed"
    SET = "set"
    WHOLE = "whole"


class Node(NamedTuple):
    """What is known of one field. type: of the field; item: of its elements; keys: of an associative list."""

    shape: Shape
    type: str
    keys: tuple[str, ...] = ()

    @property
    def item(self) -> str:
        return schema.value_type(self.type)


@cache
def _declared(model: str, name: str) -> Node:
    kind = schema.field_type(model, name)
    if schema.is_list(kind):
        keys = schema.list_keys(model, name)
        shape = Shape.KEYED if keys else Shape.SET if (model, name) in schema.SETS else Shape.WHOLE
        return Node(shape, kind, keys)
    return Node(Shape.WHOLE if schema.is_atomic(model, name, kind) else Shape.GRANULAR, kind)


def node(model: str, name: str, value: Any) -> Node:
    """How this value of a model's field merges; a value that does not have the declared form is one whole."""
    known = _declared(model, name)
    wanted = dict if known.shape is Shape.GRANULAR else list
    return known if isinstance(value, wanted) else Node(Shape.WHOLE, known.type)


def item_key(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Path element of a list item, `k:{...}`; a missing key takes its default."""
    values = {k: item.get(k, schema.KEY_DEFAULTS.get(k)) for k in sorted(keys)}
    return "k:" + json.dumps({k: v for k, v in values.items() if v is not None}, separators=(",", ":"))


def value_key(value: Any) -> str:
    return "v:" + json.dumps(value, separators=(",", ":"), sort_keys=True)


def keyed_items(items: Sequence[Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Items by path element, in order; a repeated key keeps its first item."""
    found: dict[str, Any] = {}
    for item in items:
        found.setdefault(item_key(item, keys) if isinstance(item, dict) else value_key(item), item)
    return found


def field_set(value: Mapping[str, Any], model: str) -> Paths:
    """The leaves and list items of an object: what its applier owns."""
    return frozenset(_leaves(value, model, ()))


def _leaves(value: Mapping[str, Any], model: str, path: Path) -> Iterator[Path]:
    for name, child in value.items():
        here = (*path, f"f:{name}")
        if here in UNOWNED:
            continue
        n = node(model, name, child)
        if not child or n.shape is Shape.WHOLE:
            yield here
        elif n.shape is Shape.GRANULAR:
            yield from _leaves(child, n.type, here)
        elif n.shape is Shape.SET:
            yield from ((*here, value_key(v)) for v in child)
        else:
            for key, item in keyed_items(child, n.keys).items():
                yield (*here, key)
                if isinstance(item, dict):
                    yield from _leaves(item, n.item, (*here, key))


@dataclass(slots=True)
class Comparison:
    """changed: paths added or with another value. removed: paths that are no more."""

    changed: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


def compare(old: Mapping[str, Any], new: Mapping[str, Any], model: str) -> Comparison:
    """What changed from old to new, without what nobody owns."""
    found = Comparison()
    _compare(old, new, model, (), found)
    return found


def _compare(old: Mapping[str, Any], new: Mapping[str, Any], model: str, path: Path, found: Comparison) -> None:
    for name in [*new, *(k for k in old if k not in new)]:
        here = (*path, f"f:{name}")
        a, b = old.get(name), new.get(name)
        if a is b or a == b or here in UNOWNED:
            continue
        if b is None:
            found.removed.update(_all(a, node(model, name, a), here))
        elif a is None:
            found.changed.update(_all(b, node(model, name, b), here))
        else:
            _compare_values(a, b, model, name, here, found)


def _compare_values(a: Any, b: Any, model: str, name: str, here: Path, found: Comparison) -> None:
    n, other = node(model, name, b), node(model, name, a)
    if n.shape is Shape.WHOLE or other.shape is Shape.WHOLE:
        found.changed.add(here)
    elif n.shape is Shape.GRANULAR:
        _compare(a, b, n.type, here, found)
    else:
        before, after = keyed_items(a, n.keys), keyed_items(b, n.keys)
        for key, item in after.items():
            if key not in before:
                found.changed.update(_item(item, n, (*here, key)))
            elif n.shape is Shape.KEYED and isinstance(item, dict) and isinstance(before[key], dict):
                _compare(before[key], item, n.item, (*here, key), found)
        for key in before.keys() - after.keys():
            found.removed.update(_item(before[key], n, (*here, key)))


def _item(item: Any, n: Node, path: Path) -> Iterator[Path]:
    yield path
    if n.shape is Shape.KEYED and isinstance(item, dict):
        yield from _everything(item, n.item, path)


def _all(value: Any, n: Node, here: Path) -> Iterator[Path]:
    """The field itself and everything beneath it."""
    if n.shape is Shape.GRANULAR and value:
        if here[-1] not in _ALWAYS_THERE:
            yield here
        yield from _everything(value, n.type, here)
    elif n.shape in (Shape.KEYED, Shape.SET) and value:
        for key, item in keyed_items(value, n.keys).items():
            yield from _item(item, n, (*here, key))
    else:
        yield here


def _everything(value: Mapping[str, Any], model: str, path: Path) -> Iterator[Path]:
    for name, child in value.items():
        here = (*path, f"f:{name}")
        if here not in UNOWNED and child is not None:
            yield from _all(child, node(model, name, child), here)


def to_fields_v1(paths: Iterable[Path]) -> dict[str, Any]:
    """The nested form of metadata.managedFields[].fieldsV1."""
    root: dict[str, Any] = {}
    members = sorted(paths)
    for path in members:
        here = root
        for element in path:
            here = here.setdefault(element, {})
    for path in members:
        here = root
        for element in path:
            here = here[element]
        if here:
            here["."] = {}
    return root


def from_fields_v1(tree: Mapping[str, Any]) -> Paths:
    """Inverse of to_fields_v1."""
    return frozenset(_members(tree, ()))


def _members(tree: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for element, below in tree.items():
        if element == ".":
            yield path
        elif below:
            yield from _members(below, (*path, element))
        else:
            yield (*path, element)


def show(path: Path) -> str:
    """`.spec.template.spec.containers[name="web"].image`, as conflicts name it."""
    return "".join(_show_element(e) for e in path)


def _show_element(element: str) -> str:
    if element.startswith("f:"):
        return f".{element[2:]}"
    if element.startswith("k:"):
        keys = json.loads(element[2:])
        return "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in keys.items()) + "]"
    return f"[={element[2:]}]"
