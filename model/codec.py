"""Values to plain JSON data and back, with a stable hash over the canonical text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast

from model.resources import KINDS, UNKNOWN, Address, AnyResource, Kind, Unknown

T = TypeVar("T")


@cache
def _converter() -> Any:
    from cattrs.preconf.json import make_converter

    conv = make_converter(forbid_extra_keys=True)
    conv.register_unstructure_hook(Address, str)
    conv.register_structure_hook(Address, lambda v, _: Address.parse(v))
    conv.register_unstructure_hook(Unknown, lambda _: {"$unknown": True})
    conv.register_structure_hook(Unknown, lambda _v, _t: UNKNOWN)
    for known, union in ((bool, bool | Unknown | None), (int, int | Unknown | None), (str, str | Unknown)):
        conv.register_structure_hook(union, _known_or_not(known, optional=known is not str))
        conv.register_unstructure_hook(union, lambda v: {"$unknown": True} if v is UNKNOWN else v)
    conv.register_unstructure_hook_func(
        lambda t: isinstance(t, type) and issubclass(t, tuple(KINDS.values())), _resource_out(conv)
    )
    conv.register_structure_hook(AnyResource, lambda v, _: _resource_in(conv, v))
    return conv


def _known_or_not(known: type, *, optional: bool) -> Any:
    """For a field that may be UNKNOWN, or None where nobody says."""

    def structure(value: Any, _type: Any) -> Any:
        if value == {"$unknown": True}:
            return UNKNOWN
        if (value is None and optional) or type(value) is known:
            return value
        raise ValueError(f"{value!r} is no {known.__name__}")

    return structure


def _resource_out(conv: Any) -> Any:
    from cattrs.gen import make_dict_unstructure_fn

    fns: dict[type, Any] = {}

    def out(value: Any) -> dict[str, Any]:
        cls = type(value)
        if cls not in fns:
            fns[cls] = make_dict_unstructure_fn(cls, conv)
        return {"kind": str(cls.KIND), **fns[cls](value)}

    return out


def _resource_in(conv: Any, data: Mapping[str, Any]) -> AnyResource:
    rest = dict(data)
    kind = Kind(rest.pop("kind"))
    return cast(AnyResource, _structurer(conv, kind)(rest, KINDS[kind]))


@cache
def _structurer(conv: Any, kind: Kind) -> Any:
    """Generated code, compiled once per kind: compiling takes longer than structuring a whole plan."""
    from cattrs.gen import make_dict_structure_fn

    return make_dict_structure_fn(KINDS[kind], conv, _cattrs_forbid_extra_keys=True)


def to_data(value: Any) -> Any:
    """A dataclass of model/ -> dicts, lists, strings, numbers. Resources gain a `kind` key."""
    return _converter().unstructure(value)


def from_data(data: Any, cls: type[T]) -> T:
    """Inverse of to_data. Raises cattrs' validation errors (ExceptionGroup) on data of another shape."""
    return cast(T, _converter().structure(data, cls))


def resource_from_data(data: Mapping[str, Any]) -> AnyResource:
    return _resource_in(_converter(), data)


def canonical(value: Any) -> str:
    """JSON text that is equal where the values are equal: sorted keys, no spaces."""
    return json.dumps(to_data(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical text, hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
