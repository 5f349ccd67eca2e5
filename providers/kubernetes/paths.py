"""Paths of fields, as text for people and as segments for code, and the trees of fieldsV1.

Text: `spec.replicas`, `metadata.annotations[duoyun.dev/config-hash]`, `spec.template.spec.containers[name=web].image`,
`spec.ports[port=80,protocol=TCP]`, `metadata.finalizers[=x]`. Segments: a str is a map's key, an Item selects from a
list by its keys, a Member is a value of a set. fieldsV1: kubernetes-sigs/structured-merge-diff, fieldpath/serialize.go
("f:" field, "k:" keys of an item, "v:" value, "i:" index, "." the node itself). Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """A list's item by its keys, sorted by name."""

    keys: tuple[tuple[str, Any], ...]

    def matches(self, value: Any) -> bool:
        """Keys that the value leaves out (a default, such as protocol TCP) do not count against it, unless it has none
        of them."""
        if not isinstance(value, Mapping):
            return False
        present = [value[k] == v for k, v in self.keys if k in value]
        return bool(present) and all(present)


@dataclass(frozen=True, slots=True)
class Member:
    """A value of a set, or the item of an index."""

    value: Any


Segment = str | Item | Member
Path = tuple[Segment, ...]
Tree = dict[Any, "Tree"]
"""Segment -> subtree; the key SELF marks that the node itself is owned. An empty tree is a leaf: all below it."""

SELF = None
_PLAIN = re.compile(r"[A-Za-z0-9_$-]+")


def parse_fields(fields: Mapping[str, Any]) -> Tree:
    """A fieldsV1 object as a tree. Kinds of segment that are unknown are left out."""
    tree: Tree = {}
    for raw, inner in fields.items():
        children = parse_fields(inner) if isinstance(inner, Mapping) else {}
        if raw == ".":
            tree[SELF] = {}
        elif raw.startswith("f:"):
            tree[raw[2:]] = children
        elif raw.startswith("k:"):
            keys = json.loads(raw[2:])
            tree[Item(tuple(sorted((k, _frozen(v)) for k, v in keys.items())))] = children
        elif raw.startswith("v:"):
            tree[Member(_frozen(json.loads(raw[2:])))] = children
    return tree


def _frozen(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def merged(trees: list[Tree]) -> Tree:
    """The union: what anybody owns."""
    out: Tree = {}
    for tree in trees:
        for segment, inner in tree.items():
            out[segment] = merged([out[segment], inner]) if segment in out else inner
    return out


def owns(tree: Tree, path: Path) -> bool:
    """Whether this tree owns the field at path, itself or by a leaf above it, or anything below it."""
    node = tree
    for depth, segment in enumerate(path):
        if segment not in node:
            # A leaf above path owns all below it; the tree's own root is no leaf.
            return depth > 0 and not node
        node = node[segment]
    return True


def show(path: Path) -> str:
    """The text of a path."""
    text = ""
    for segment in path:
        if isinstance(segment, Item):
            text += f"[{','.join(f'{k}={v}' for k, v in segment.keys)}]"
        elif isinstance(segment, Member):
            text += f"[={segment.value}]"
        elif _PLAIN.fullmatch(segment):
            text += f".{segment}" if text else segment
        else:
            text += f"[{segment}]"
    return text


def parse(text: str) -> Path:
    """Inverse of show (key values come back as text). ValueError where it is no path."""
    found: list[Segment] = []
    for match in re.finditer(r"\.?([A-Za-z0-9_$-]+)|\[([^\]]*)\]|(.)", text):
        plain, inner, wrong = match.groups()
        if wrong is not None:
            raise ValueError(f"{text!r} is no field path; write for example spec.replicas")
        if plain is not None:
            found.append(plain)
        elif inner.startswith("="):
            found.append(Member(inner[1:]))
        elif "=" in inner:
            pairs = (pair.partition("=") for pair in inner.split(","))
            found.append(Item(tuple(sorted((k, v.strip('"')) for k, _, v in pairs))))
        else:
            found.append(inner)
    if not found:
        raise ValueError("a field path may not be empty")
    return tuple(found)


def from_kubernetes(text: str) -> str:
    """A path as the API server writes it (`.spec.containers[name="web"].image`) in our notation."""
    return re.sub(r"\"([^\"]*)\"", r"\1", text).lstrip(".")


def without(value: Any, path: Path) -> Any:
    """The value with the field at path left out; unchanged where there is none. Copies only what it changes."""
    if not path:
        return value
    segment, rest = path[0], path[1:]
    if isinstance(segment, str) and isinstance(value, Mapping) and segment in value:
        if not rest:
            return {k: v for k, v in value.items() if k != segment}
        return {**value, segment: without(value[segment], rest)}
    if isinstance(value, list) and not isinstance(segment, str):
        chosen = [i for i, item in enumerate(value) if _selected(segment, item)]
        if not rest:
            return [item for i, item in enumerate(value) if i not in chosen]
        return [without(item, rest) if i in chosen else item for i, item in enumerate(value)]
    return value


def _selected(segment: Item | Member, item: Any) -> bool:
    if isinstance(segment, Member):
        return str(item) == str(segment.value)
    return isinstance(item, Mapping) and all(k not in item or str(item[k]) == str(v) for k, v in segment.keys)
