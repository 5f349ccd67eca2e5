"""The resources of one input as converters ask for them: by reference, by name, by type, by what refers to them.

Callers: mapping. Pure. What is asked for is indexed with the first question of its sort.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.native import JsonText, Known, Native, Pending, Values


class Natives:
    """natives: in their order; an address that ends in `[0]` is found without it, too."""

    def __init__(self, natives: Sequence[Native]) -> None:
        self._all = natives
        self.by_address: dict[str, Native] = {}
        self._names: dict[str, dict[str, Native]] | None = None
        self._parts: dict[str, list[Native]] | None = None
        self._types: dict[str, list[Native]] | None = None
        for native in self._all:
            self.by_address[native.address] = native
            if native.address.endswith("[0]"):
                self.by_address.setdefault(native.address[:-3], native)

    def __iter__(self) -> Iterator[Native]:
        return iter(self._all)

    def find(self, reference: Any, types: tuple[str, ...]) -> Native | None:
        ref = getattr(reference, "ref", "")
        if ref:
            found = self.by_address.get(ref)
            return found if found is not None and (not types or found.type in types) else None
        if not isinstance(reference, str) or not reference:
            return None
        for kind in types:
            found = self._named(kind).get(reference)
            if found is not None:
                return found
        return None

    def _named(self, native_type: str) -> dict[str, Native]:
        if self._names is None:
            self._names = defaultdict(dict)
            for native in self._all:
                table = self._names[native.type]
                for key in ("id", "arn", "name", "bucket", "identifier", "cluster_identifier", "function_name"):
                    value = native.values.get(key)
                    if isinstance(value, str):
                        table.setdefault(value, native)
        return self._names[native_type]

    def parts(self, native: Native, types: tuple[str, ...]) -> Iterator[Native]:
        """Resources of these types that refer to that one by any attribute."""
        if self._parts is None:
            self._parts = defaultdict(list)
            for other in self._all:
                for address in _references(other.values):
                    self._parts[address].append(other)
        base = native.address
        for other in self._parts.get(base, ()):
            if other.type in types:
                yield other

    def of_types(self, types: tuple[str, ...]) -> list[Native]:
        if self._types is None:
            self._types = defaultdict(list)
            for native in self._all:
                self._types[native.type].append(native)
        return [n for t in types for n in self._types.get(t, ())]


def _references(values: Mapping[str, Any]) -> set[str]:
    """Addresses that any of the values, however deep, refers to."""
    found: set[str] = set()
    waiting: list[Any] = list(values.values())
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind is Pending or kind is Known:
            if value.ref:
                found.add(value.ref)
        elif kind is list:
            waiting += value
        elif kind is Values or kind is dict:
            waiting += value.values()
        elif kind is JsonText:
            waiting.append(value.data)
    return found
