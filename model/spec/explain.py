"""pydantic's complaints as sentences with a place and a mend. Callers: model.spec.load."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from model.errors import Diagnostic
from model.spec.words import did_you_mean, shown
from model.spec.yaml_source import Document, Node

Path = tuple[str | int, ...]
_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_PRIVATE = ("env", "credential", "url", "proxy_url", "parameters", "annotations")  # may hold what no log should show


def explain(exc: ValidationError, document: Document, model: type[BaseModel]) -> list[tuple[Path, Diagnostic]]:
    """One diagnostic per mistake, with the path it stands at, in the order of the file."""
    grouped: dict[tuple[Path, str], list[Any]] = {}
    for error in exc.errors(include_url=False):
        path = _real_path(error["loc"], document.root)
        missing = error["type"] == "missing"
        group = "" if _in_union(error["loc"], path, missing) else str(error["loc"])
        grouped.setdefault((path, group), []).append(error)
    found = [(path, _diagnostic(path, errors, document, model)) for (path, _), errors in grouped.items()]
    return sorted(found, key=lambda row: _order(row[1].position))


def _order(position: str) -> tuple[int, int]:
    _, line, column = position.rsplit(":", 2)
    return int(line), int(column)


def _real_path(loc: Iterable[Any], root: Node) -> Path:
    """The part of pydantic's location that exists in the document; union branches are dropped."""
    path: list[str | int] = []
    node: Node | None = root
    for part in loc:
        if node is not None and isinstance(node.value, dict) and part in node.value:
            node = node.value[part]
        elif node is not None and isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            break
        path.append(part)
    return tuple(path)


def _in_union(loc: tuple[Any, ...], path: Path, missing: bool) -> bool:
    return len(loc) > len(path) and not missing


def _diagnostic(path: Path, errors: list[Any], document: Document, model: type[BaseModel]) -> Diagnostic:
    error, name = errors[0], _name(path)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields(model, path[:-1])
        at = document.position(path, of_key=True)
        mend = did_you_mean(str(path[-1]), known, f"known keys here: {', '.join(known)}" if known else "remove it")
        return Diagnostic(at, f"unknown key {shown(path[-1])}{_inside(path[:-1])}", mend)
    if kind == "missing":
        key = str(error["loc"][-1])
        return Diagnostic(document.position(path), f"{name} has no {shown(key)}", f"add `{key}:`")
    at = document.position(path)
    given = "" if any(part in _PRIVATE for part in path) else f", not {_given(error['input'])}"
    if kind in ("enum", "literal_error"):
        options = _options(context.get("expected", ""))
        return Diagnostic(
            at, f"{name} is one of {', '.join(options)}{given}", did_you_mean(str(error["input"]), options)
        )
    if all(e["type"] in _KINDS for e in errors):
        wanted = " or ".join(dict.fromkeys(_KINDS[e["type"]] for e in errors))
        return Diagnostic(at, f"{name} is {wanted}{given}", _type_mend(errors, error["input"]))
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return Diagnostic(at, f"{name} is {words} {context[key]}{given}", "change the number")
    if kind in ("too_short", "string_too_short"):
        least = context.get("min_length", 1)
        return Diagnostic(
            at, f"{name} is empty or too short: at least {least}{_unit(kind, least)}", "add what is missing"
        )
    if kind in ("too_long", "string_too_long"):
        most = context["max_length"]
        return Diagnostic(at, f"{name} is too long: at most {most}{_unit(kind, most)}", "shorten it")
    if kind == "string_pattern_mismatch":
        form, example = _PATTERNS.get(context["pattern"], (f"text of the form {context['pattern']}", ""))
        return Diagnostic(at, f"{name} is {form}{given}", example)
    if kind == "value_error":
        what = str(context["error"])
        return Diagnostic(at, f"{name}: {what}" if given else f"{name} does not hold", "")
    return Diagnostic(at, f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}", "")


_PATTERNS: dict[str, tuple[str, str]] = {
    "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$": (
        "a name of lower-case letters, digits and dashes, at most 40, that begins with a letter",
        "for example `order-service`",
    ),
    "^[A-Z]{2}$": ("a country's two capital letters (ISO 3166)", "for example `CN`"),
    "^[A-Z]{3}$": ("a currency's three capital letters (ISO 4217)", "for example `CNY`"),
    r"^\d+\.\d+$": ("a version as major.minor", 'for example `"1.35"`, in quotes'),
    "^/": ("a path that begins with a slash", "for example `/healthz`"),
    "^[a-z0-9-]+/[A-Za-z0-9-]+$": ("a site: partition/zone", "for example `aws-cn/cn-north-1a`"),
    "^[A-Za-z_][A-Za-z0-9_]*$": ("a name of letters, digits and underscores", "for example `DB_PASSWORD`"),
    "^[A-Za-z0-9-]{1,64}$": (
        "an id of letters, digits and dashes, at most 64",
        'in quotes, for example `"222222222222"`',
    ),
}


def _unit(kind: str, count: int) -> str:
    return (
        f" character{'s' if count != 1 else ''}"
        if kind.startswith("string")
        else f" entr{'ies' if count != 1 else 'y'}"
    )


def _given(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"{'the number ' if isinstance(value, (int, float)) else ''}{shown(value)}"


def _type_mend(errors: list[Any], value: Any) -> str:
    kinds = {e["type"] for e in errors}
    if "string_type" in kinds and isinstance(value, (int, float)):
        return "put it in quotes"
    if kinds & {"tuple_type", "list_type"}:
        return "write it as a list: `- ` before each entry" if value is not None else "write `[]` where there is none"
    if value is None:
        return "give it a value, or remove the key"
    return ""


def _options(expected: str) -> list[str]:
    return [part.strip(" '") for part in expected.replace(" or ", ", ").split(",") if part.strip(" '")]


def _name(path: Path) -> str:
    if not path:
        return "the document"
    if isinstance(path[-1], int):
        owner = next((p for p in reversed(path) if isinstance(p, str)), "the list")
        return f"entry {path[-1] + 1} of `{owner}`"
    return f"`{path[-1]}`"


def _inside(path: Path) -> str:
    return f" in {_name(path)}" if path else ""


# -- which keys a place knows -----------------------------------------------------------------------------------


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """Keys that the model at path knows, as users write them."""
    here: set[Any] = {model}
    for part in path:
        here = {inner for kind in here for inner in _step(kind, part)}
    names: list[str] = []
    for kind in here:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += [info.alias or name for name, info in kind.model_fields.items()]
    return names


def _step(kind: Any, part: str | int) -> set[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            if part in (name, info.alias):
                return _unwrap(info.annotation)
        return set()
    origin, args = get_origin(kind), get_args(kind)
    if origin in (tuple, list) and isinstance(part, int) and args:
        return _unwrap(args[0] if args[-1] is Ellipsis or len(args) == 1 else args[min(part, len(args) - 1)])
    if origin is dict and len(args) == 2:
        return _unwrap(args[1])
    return set()


def _unwrap(kind: Any) -> set[Any]:
    if get_origin(kind) is Annotated:
        return _unwrap(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return {inner for arg in get_args(kind) for inner in _unwrap(arg)}
    return {kind}
