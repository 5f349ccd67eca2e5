"""What differs between the manifest that we want and the live object, field by field, and whose field it is. Pure.

Needs reading rights only: it compares with managedFields in hand instead of asking for a dry run. Fields that we do
not name are not compared (defaults, status, other managers' additions); a field that we apply and another manager
changed is shown as delegated, with that manager as actor. Lists are matched by the keys that managedFields tells
(kubernetes.io/docs/reference/using-api/server-side-apply, "Merge strategy"), so no schema is needed, also not for
custom resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from model.resources import FIELD_MANAGER, FieldDiff, KubernetesObject, Observed
from providers.kubernetes.paths import (
    SELF,
    Item,
    Member,
    Path,
    Segment,
    Tree,
    merged,
    owns,
    parse,
    parse_fields,
    show,
    without,
)

LABEL_FLEET: Final = "duoyun.dev/fleet"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_MISSING: Final = object()
_IDENTITY: Final = frozenset({("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")})
_FLEET_PATH: Final[Path] = ("metadata", "labels", LABEL_FLEET)

# Maps whose values are quantities (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity).
_QUANTITY_MAPS = frozenset({"limits", "requests", "hard", "capacity", "overhead", "default", "defaultRequest"})
_QUANTITY_FIELDS = frozenset({"sizeLimit", "divisor", "averageValue", "storage"})
_SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?")


# What people change objects with by hand. Their changes are one-off: what they touched of ours is drift. Every other
# manager (Helm, an autoscaler, an operator, `kubectl apply` from somebody's repository) will want its field again.
_HAND_TOOLS = (
    "OpenAPI-Generator",  # the official clients' default, where a script names no manager
    "Swagger-Codegen",
    "curl",
    "dashboard",
    "k9s",
    "kubectl",
    "lens",
    "node-fetch",
    "python",
)
# Atomic maps that the API server never fills in (kubernetes.io, "Server-Side Apply", x-kubernetes-map-type: atomic).
_PLAIN_ATOMS = frozenset({"nodeSelector", "selector", "matchLabels"})
_STANDING_KUBECTL = ("kubectl-client-side-apply", "kubectl-last-applied")


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of managedFields. operation: Apply or Update; at: RFC 3339, as the server wrote it."""

    name: str
    operation: str
    subresource: str
    at: str
    tree: Tree

    @property
    def ours(self) -> bool:
        return self.name == FIELD_MANAGER

    @property
    def by_hand(self) -> bool:
        """Whether this is a person's one-off change and not a manager that will come back to its field."""
        if self.operation != "Update" or self.name in _STANDING_KUBECTL:
            return False
        return self.name.startswith(_HAND_TOOLS)


def managers(live: Mapping[str, Any]) -> tuple[Manager, ...]:
    """Who owns what in a live object; status is left out."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    return tuple(
        Manager(
            str(e.get("manager", "")),
            str(e.get("operation", "")),
            str(e.get("subresource", "")),
            str(e.get("time", "")),
            parse_fields(e.get("fieldsV1") or {}),
        )
        for e in entries
        if isinstance(e, Mapping) and e.get("subresource") != "status"
    )


def applied_by_us(live: Mapping[str, Any]) -> bool:
    return any(m.ours for m in managers(live))


def owned_manifest(live: Mapping[str, Any]) -> dict[str, Any]:
    """The live object reduced to what our manager owns, without the fleet label: as we would apply it."""
    return _reduced(live, [m.tree for m in managers(live) if m.ours])


def set_manifest(live: Mapping[str, Any]) -> dict[str, Any]:
    """The live object reduced to what anybody has set, but not by a subresource (an autoscaler's scale, a controller's
    status): defaults, status and what a server writes are not in it, nor kubectl's copy of what it applied."""
    reduced = _reduced(live, [m.tree for m in managers(live) if not m.subresource])
    return dict(without(reduced, ("metadata", "annotations", _LAST_APPLIED)))


def _reduced(live: Mapping[str, Any], trees: list[Tree]) -> dict[str, Any]:
    reduced = without(_project(merged(trees), live), _FLEET_PATH)
    metadata = live.get("metadata") or {}
    names = {k: metadata[k] for k in ("name", "namespace") if k in metadata}
    return {
        "apiVersion": live.get("apiVersion", ""),
        "kind": live.get("kind", ""),
        "metadata": {**names, **reduced.get("metadata", {})},
        **{k: v for k, v in reduced.items() if k not in ("apiVersion", "kind", "metadata")},
    }


def _project(tree: Tree, live: Any) -> Any:
    children = {s: t for s, t in tree.items() if s is not SELF}
    if not tree:
        return live
    if isinstance(live, Mapping):
        return {k: _project(children[k], v) for k, v in live.items() if k in children}
    if isinstance(live, list):
        return [_project(inner, item) for item in live for segment, inner in children.items() if _is_at(segment, item)]
    return live


def _is_at(segment: Segment, item: Any) -> bool:
    if isinstance(segment, Item):
        return segment.matches(item)
    return isinstance(segment, Member) and segment.value == item


# -- the comparison --------------------------------------------------------------------------------------------


def diff_manifests(observed: Observed, desired: KubernetesObject) -> tuple[FieldDiff, ...]:
    """before: live, after: wanted, None where absent. Sorted by path; empty where nothing differs.

    delegated=True: another manager owns the field (actor), or `desired.delegated` names it; updates leave it alone.
    A field that somebody changed by hand (actor) is not delegated: updates take it back.
    observed must come from this adapter (its live object is in `raw`).
    """
    live = observed.raw["object"]
    who = managers(live)
    comparison = _Comparison(merged([m.tree for m in who]), merged([m.tree for m in who if m.ours]))
    wanted = dict(desired.manifest)
    handed = tuple(parse(text) for text in desired.delegated)
    found: dict[str, FieldDiff] = {}
    for path, before, after in [
        *comparison.wanted((), wanted, live),
        *comparison.dropped((), comparison.ours, wanted, live),
    ]:
        if path in _IDENTITY or path == _FLEET_PATH or path[:1] == ("status",):
            continue
        others = [m for m in who if not m.ours and owns(m.tree, path)] if after is not None else []
        others.sort(key=lambda m: m.by_hand)  # one that comes back decides
        delegated = (bool(others) and not others[0].by_hand) or any(_same_start(path, hand) for hand in handed)
        if delegated and after is None:
            continue  # ours to let go of, theirs to keep: nothing changes
        found[show(path)] = FieldDiff(show(path), before, after, delegated, others[0].name if others else "")
    return tuple(found[text] for text in sorted(found))


def _same_start(path: Path, hand: Path) -> bool:
    return len(path) >= len(hand) and all(_alike(a, b) for a, b in zip(path, hand, strict=False))


def _alike(a: Segment, b: Segment) -> bool:
    """Key values compare as text: in a path that a person wrote, 80 and "80" are one."""
    if isinstance(a, Item) and isinstance(b, Item):
        mine = {k: str(v) for k, v in a.keys}
        return all(mine.get(k) == str(v) for k, v in b.keys)
    if isinstance(a, Member) and isinstance(b, Member):
        return str(a.value) == str(b.value)
    return a == b


@dataclass(frozen=True, slots=True)
class _Comparison:
    """all_fields: union of everybody's fieldsV1; ours: of our own."""

    all_fields: Tree
    ours: Tree

    def wanted(self, path: Path, want: Any, live: Any) -> Iterator[tuple[Path, Any, Any]]:
        """What we name and the live object has otherwise or not at all."""
        if want is None or (want == [] and live in (_MISSING, None)):
            return
        if live is _MISSING or live is None:
            if not (_is_empty(want) and path and owns(self.ours, path)):  # omitempty: applied, and not shown
                yield path, None, want
        elif isinstance(want, Mapping) and isinstance(live, Mapping):
            if self._atom(path) and (path[-1] in _PLAIN_ATOMS or not owns(self.ours, path)):
                if want != live:
                    yield path, live, want
                return
            for key, inner in want.items():
                yield from self.wanted((*path, str(key)), inner, live.get(key, _MISSING))
        elif isinstance(want, list) and isinstance(live, list):
            yield from self._lists(path, want, live)
        elif not _equal(path, want, live):
            yield path, live, want

    def dropped(self, path: Path, tree: Tree, want: Any, live: Any) -> Iterator[tuple[Path, Any, Any]]:
        """What we own in the live object and no longer name."""
        for segment, inner in tree.items():
            if segment is SELF:
                continue
            here = (*path, segment)
            present = _select(live, segment)
            if present is _MISSING or present == [] or here in _IDENTITY:
                continue
            named = _select(want, segment)
            if named is _MISSING or named is None:
                yield here, _project(inner, present), None
            elif inner:
                yield from self.dropped(here, inner, named, present)

    def _lists(self, path: Path, want: list[Any], live: list[Any]) -> Iterator[tuple[Path, Any, Any]]:
        segments = self._children(path)
        keyed = [s for s in segments if isinstance(s, Item)]
        if keyed:
            names = tuple(k for k, _ in keyed[0].keys)
            for item in want:
                segment = next((s for s in keyed if s.matches(item)), None) or _item(names, item)
                yield from self.wanted((*path, segment), item, _select(live, segment))
        elif any(isinstance(s, Member) for s in segments):
            for value in want:
                if value not in live:
                    yield (*path, Member(value)), None, value
        elif len(want) != len(live) or not all(
            not any(True for _ in self.wanted(path, w, o)) for w, o in zip(want, live, strict=True)
        ):
            yield path, live, want

    def _children(self, path: Path) -> list[Segment]:
        node = self.all_fields
        for segment in path:
            if segment not in node:
                return []
            node = node[segment]
        return [s for s in node if s is not SELF]

    def _atom(self, path: Path) -> bool:
        """A map that is owned as a whole (atomic). One that somebody else owns is compared as a whole. In one that we
        own, anything beyond ours is a default (whoever changed it would own it), but for maps that have none."""
        node = self.all_fields
        for segment in path:
            if segment not in node:
                return False
            node = node[segment]
        return bool(path) and not node


def _item(names: tuple[str, ...], item: Any) -> Segment:
    if not isinstance(item, Mapping):
        return Member(str(item))
    return Item(tuple(sorted((n, item[n]) for n in names if n in item)))


def _select(value: Any, segment: Segment) -> Any:
    if isinstance(segment, str):
        return value.get(segment, _MISSING) if isinstance(value, Mapping) else _MISSING
    if not isinstance(value, list):
        return _MISSING
    return next((item for item in value if _is_at(segment, item)), _MISSING)


def _is_empty(value: Any) -> bool:
    return value in ({}, [], "", 0, False) and not isinstance(value, float)


def _equal(path: Path, want: Any, live: Any) -> bool:
    if isinstance(want, bool) or isinstance(live, bool):
        return want is live
    if want == live:
        return True
    if _is_quantity(path):
        a, b = quantity(want), quantity(live)
        return a is not None and a == b
    return False


def _is_quantity(path: Path) -> bool:
    if len(path) < 2 or path[0] not in ("spec", "status"):
        return False
    return path[-2] in _QUANTITY_MAPS or path[-1] in _QUANTITY_FIELDS


def quantity(value: Any) -> Decimal | None:
    """A Kubernetes quantity as a number (`500m` and 0.5 are one half); None where it is none."""
    match = _QUANTITY.fullmatch(str(value).strip())
    if match is None:
        return None
    try:
        return Decimal(match[1]) * _SUFFIXES[match[2] or ""]
    except InvalidOperation:
        return None


def left_alone(desired: KubernetesObject, diffs: tuple[FieldDiff, ...]) -> dict[str, Any]:
    """The manifest to apply: without what `desired.delegated` names and what the diff shows as another manager's."""
    manifest: Any = dict(desired.manifest)
    for text in (*desired.delegated, *(d.path for d in diffs if d.delegated)):
        manifest = without(manifest, parse(text))
    return dict(manifest)
