"""The tables of fields in docs/spec.md: names, types, defaults from the pydantic models, meanings from meanings.py."""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from blocks import table
from meanings import MEANINGS
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from model.spec.app import Application, CpuMillicores, MemoryMib, Seconds, Share
from model.spec.assumptions import Assumptions
from model.spec.fleet import Fleet

_QUANTITIES = {
    CpuMillicores: "cpu: `500m`, `0.5`, `2`",
    MemoryMib: "memory: `256Mi`, `1Gi`",
    Seconds: "duration: `250ms`, `90s`, `15m`",
    Share: "share: `50%`, `0.5`",
}


def parts() -> dict[str, str]:
    """The generated parts of docs/spec.md."""
    return {
        "application fields": _document(Application),
        "fleet fields": _document(Fleet),
        "assumptions fields": _document(Assumptions),
    }


def _document(root: type[BaseModel]) -> str:
    sections = []
    for path, model in _models(root, ""):
        if not path:
            continue
        rows = [_row(model, name, info) for name, info in model.model_fields.items()]
        told = MEANINGS.get(model.__name__, "")
        head = ("field", "type", "default", "meaning")
        sections.append("\n\n".join(filter(None, (f"#### `{path}`", told, table(head, rows)))))
    return "\n\n".join(sections)


def _models(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every model below, with the path that a reader would write; a list ends in []."""
    yield path, model
    for name, info in model.model_fields.items():
        for inner, many in _inner(_hint(model, name)):
            here = f"{path}.{_written(name, info)}".strip(".") + ("[]" if many else "")
            if not (path == "" and name == "metadata" and model is not Application):
                yield from _models(inner, here)


def _hint(model: type[BaseModel], name: str) -> Any:
    for cls in model.__mro__:
        if name in inspect.get_annotations(cls):
            return typing.get_type_hints(cls, include_extras=True)[name]
    raise KeyError(name)


def _inner(hint: Any, many: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint, many
        return
    inside = many or typing.get_origin(hint) is tuple
    for arg in typing.get_args(hint):
        if arg is not Ellipsis and not isinstance(arg, FieldInfo):
            yield from _inner(arg, inside)


def _row(model: type[BaseModel], name: str, info: FieldInfo) -> tuple[str, str, str, str]:
    return f"`{_written(name, info)}`", _type(_hint(model, name)), _default(info), _told(model, name, info)


def _written(name: str, info: FieldInfo) -> str:
    return info.alias or name


_PLAIN_TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "`true`, `false`",
    "Any": "any value",
}


def _type(hint: Any) -> str:
    """How a reader would name the type."""
    if hint in _QUANTITIES:
        return _QUANTITIES[hint]
    args = typing.get_args(hint)
    if args:
        return _composed(typing.get_origin(hint), args)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ", ".join(f"`{m.value}`" for m in hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "map, below"
    return _PLAIN_TYPES[getattr(hint, "__name__", str(hint))]


def _composed(origin: Any, args: tuple[Any, ...]) -> str:
    if origin is Annotated:
        return _type(args[0]) + _limits(args[1:])
    if origin is Literal:
        return ", ".join(f"`{_plain(a)}`" for a in args)
    if origin is tuple:
        many = len(args) == 2 and args[1] is Ellipsis
        return f"list of {_type(args[0])}" if many else f"list of {len(args)}: {_type(args[0])}"
    if origin is dict:
        return f"map of {_type(args[1])}"
    return " or ".join(_type(a) for a in args if a is not type(None))  # a union


def _limits(metadata: tuple[Any, ...]) -> str:
    found = []
    for item in metadata:
        for rule in getattr(item, "metadata", [item]):
            for sign, word in (("gt", "above"), ("ge", "from"), ("le", "to"), ("min_length", "at least")):
                limit = getattr(rule, sign, None)
                if limit is not None and not (sign == "min_length" and limit == 1):
                    found.append(f"{word} {limit:,}" if isinstance(limit, int) else f"{word} {limit:g}")
    return f" ({' '.join(found)})" if found else ""


def _default(info: FieldInfo) -> str:
    value = info.default
    if info.is_required() or value is PydanticUndefined:
        return "**required**"
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, BaseModel):
        given = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return "`" + ", ".join(f"{k}: {_plain(v)}" for k, v in given.items()) + "`" if given else "its defaults"
    if isinstance(value, tuple):
        return "`[" + ", ".join(map(str, value)) + "]`"
    return f"`{_plain(getattr(value, 'value', value))}`"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _owner(model: type[BaseModel], name: str) -> str:
    """The class that declares the field: subclasses share its text."""
    return next(cls.__name__ for cls in model.__mro__ if name in inspect.get_annotations(cls))


def _told(model: type[BaseModel], name: str, info: FieldInfo) -> str:
    """The text of meanings.py, else the model's own description. KeyError where neither says what a field means."""
    key = f"{_owner(model, name)}.{_written(name, info)}"
    return MEANINGS[key] if key in MEANINGS or not info.description else info.description
