"""Literals of environment variables that are not ours to keep: known by a digest, restored from the cluster. Pure.

What somebody wrote into an object that we adopt may be a password. The state then holds `withheld:DIGEST` in its place:
enough to see that it changed, never enough to read it. To bring it back, the cluster is asked: the live object, or the
template of one of its older ReplicaSets, has the value whose digest it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from model.errors import Conflict
from model.resources import AnyResource, FieldDiff, KubernetesObject, Observed

MARK: Final = "withheld:"
# scrypt (RFC 7914): a guess costs some 10 ms, so that a short password cannot be tried out by the million.
_COST, _BLOCK, _BYTES = 2**12, 8, 8

_NOT_SHOWN: Final = f"{MARK}(not shown)"

At = tuple[str, ...]
"""Keys down to an `env` entry; entries of lists by their names."""


def withhold(manifest: Mapping[str, Any], uid: str) -> dict[str, Any]:
    """The manifest with a digest for every literal value of an environment variable. uid: of the live object."""
    return dict(_mapped(manifest, (), lambda at, value: value if value.startswith(MARK) else _digest(uid, at, value)))


def holds_withheld(resource: AnyResource | None) -> bool:
    """Whether something in it is withheld."""
    return isinstance(resource, KubernetesObject) and any(
        v.startswith(MARK) for v in _values(resource.manifest).values()
    )


def beside(observed: Observed, desired: KubernetesObject) -> Observed:
    """The observation to compare with what has withheld values: those have digests in it, too."""
    wanted = _values(desired.manifest)
    live: Mapping[str, Any] = observed.raw["object"]
    uid = str(live["metadata"].get("uid", ""))

    def shown(at: At, value: str) -> str:
        return _digest(uid, at, value) if wanted.get(at, "").startswith(MARK) else value

    return replace(observed, raw={**observed.raw, "object": _mapped(live, (), shown)})


def unread(diffs: Iterable[FieldDiff]) -> tuple[FieldDiff, ...]:
    """Differences without what stands in somebody else's environment variables, as field, entry or list."""

    def masked(diff: FieldDiff) -> FieldDiff:
        last = diff.path.rpartition(".")[2]
        if last == "value" and ".env[" in diff.path:
            return replace(diff, before=_NOT_SHOWN if isinstance(diff.before, str) else diff.before)
        # An entry is looked at as the list of one that it comes from.
        entry = last.startswith("env[")
        node = [diff.before] if entry else diff.before
        hidden = _mapped(node, ("env",) if entry or last == "env" else (), lambda _at, _value: _NOT_SHOWN)
        return replace(diff, before=hidden[0] if entry else hidden)

    return tuple(masked(diff) for diff in diffs)


def restored(
    desired: KubernetesObject, live: Mapping[str, Any], older: Callable[[], Iterable[Mapping[str, Any]]]
) -> KubernetesObject:
    """With every withheld value in its place. older: manifests that may have it, asked where the live one has not.

    Raises Conflict, naming the variable, where nobody has the value any more.
    """
    if not holds_withheld(desired):
        return desired
    uid = str(live["metadata"].get("uid", ""))
    sources = [_values(live), *(_values(manifest) for manifest in older())]

    def found(at: At, value: str) -> str:
        if not value.startswith(MARK):
            return value
        for source in sources:
            if at in source and _digest(uid, at, source[at]) == value:
                return source[at]
        raise Conflict(
            f"{desired.name}: the value that {at[-1]} had is not kept, and no ReplicaSet has it any more",
            mend=f"set it by hand (`kubectl set env`, variable {at[-1]}), then `duoyun adopt` it again",
        )

    return replace(desired, manifest=_mapped(desired.manifest, (), found))


def _values(manifest: Mapping[str, Any]) -> dict[At, str]:
    found: dict[At, str] = {}

    def note(at: At, value: str) -> str:
        found[at] = value
        return value

    _mapped(manifest, (), note)
    return found


def _mapped(node: Any, at: At, change: Callable[[At, str], str]) -> Any:
    """A copy in which every literal of an `env` list is what `change` makes of it."""
    if isinstance(node, Mapping):
        return {key: _mapped(value, (*at, str(key)), change) for key, value in node.items()}
    if not isinstance(node, list | tuple):
        return node
    named = [_mapped(item, (*at, _name(item, i)), change) for i, item in enumerate(node)]
    if at[-1:] != ("env",):
        return named
    return [
        {**item, "value": change((*at, _name(item, i)), item["value"])}
        if isinstance(item, Mapping) and isinstance(item.get("value"), str)
        else item
        for i, item in enumerate(named)
    ]


def _name(item: Any, index: int) -> str:
    return str(item["name"]) if isinstance(item, Mapping) and "name" in item else str(index)


@lru_cache(maxsize=4096)
def _digest(uid: str, at: At, value: str) -> str:
    salt = "\0".join((uid, *at)).encode()
    return MARK + hashlib.scrypt(value.encode(), salt=salt, n=_COST, r=_BLOCK, p=1, dklen=_BYTES).hex()
