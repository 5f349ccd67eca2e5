"""pydantic's complaints as sentences with a place and a mend. Callers: model.spec.load."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union, cast, get_args, get_origin

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


def explain(exc: ValidationError | None, document: Document, model: type[BaseModel]) -> list[tuple[Path, Diagnostic]]:
    """One diagnostic per mistake, with the path it stands at, in the order of the file.

    Also where exc is None: pydantic takes `true` for the number 1, and we do not.
    """
    grouped: dict[tuple[Path, str], list[Any]] = {}
    for error in exc.errors(include_url=False) if exc is not None else ():
        path = _real_path(error["loc"], document.root)
        if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
            continue  # pydantic counts only entries that hold; each of the others is told by itself
        missing = error["type"] == "missing"
        group = "" if _in_union(error["loc"], path, missing) else str(error["loc"])
        grouped.setdefault((path, group), []).append(error)
    found = [(path, _diagnostic(path, errors, document, model)) for (path, _), errors in grouped.items()]
    told = {path for path, _ in found}
    for path, value in _truths(document.root):
        if path not in told and (kinds := _kinds(model, path)) and bool not in kinds and kinds & {int, float}:
            what = f"{_owner(path, document.root)}{_name(path)} must be a number, not {_given(value)}"
            found.append((path, Diagnostic(document.position(path), what, "")))
    return sorted(found, key=lambda row: _order(row[1].position))


def _order(position: str) -> tuple[int, int]:
    _, line, column = position.rsplit(":", 2)
    return int(line), int(column)


def _real_path(loc: Iterable[Any], root: Node) -> Path:
    """The part of pydantic's location that exists in the document; union branches are dropped."""
    path: list[str | int] = []
    node = root
    for part in loc:
        child = _child(node, part)
        if child is None:
            break
        path.append(part)
        node = child
    return tuple(path)


def _child(node: Node, part: Any) -> Node | None:
    if isinstance(node.value, dict):
        return node.value.get(part)
    if isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
        return cast(Node, node.value[part])
    return None


def _in_union(loc: tuple[Any, ...], path: Path, missing: bool) -> bool:
    return len(loc) > len(path) and not missing


def _diagnostic(path: Path, errors: list[Any], document: Document, model: type[BaseModel]) -> Diagnostic:
    kind = errors[0]["type"]
    if kind == "extra_forbidden":
        known = _fields(model, path[:-1])
        mend = did_you_mean(str(path[-1]), known, f"known keys here: {', '.join(known)}" if known else "remove it")
        what = f"{_owner(path, document.root)}unknown key {shown(path[-1])}{_inside(path[:-1])}"
        return Diagnostic(document.position(path, of_key=True), what, mend)
    if kind == "missing":
        key = str(errors[0]["loc"][-1])
        what = f"{_owner(path, document.root)}{_name(path)} has no {shown(key)}"
        return Diagnostic(document.position(path), what, f"add `{key}:`")
    what, mend = _sentence(errors, private=any(part in _PRIVATE for part in path))
    return Diagnostic(document.position(path), f"{_owner(path, document.root)}{_name(path)} {what}", mend)


def _sentence(errors: list[Any], *, private: bool) -> tuple[str, str]:
    """What is wrong with a value, and the mend; the value itself is told unless it may be private."""
    error = errors[0]
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    given = "" if private else f", not {_given(value)}"
    what, mend = f"does not hold: {error['msg']}", ""
    if kind in ("enum", "literal_error"):
        options = _options(context.get("expected", ""))
        what, mend = f"must be one of {', '.join(options)}{given}", did_you_mean(str(value), options, "use one of them")
    elif all(e["type"] in _KINDS for e in errors):
        wanted = " or ".join(dict.fromkeys(_KINDS[e["type"]] for e in errors))
        what, mend = f"must be {wanted}{given}", _type_mend(errors, value)
    elif kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        what, mend = f"must be {words} {context[key]:g}{given}", "change the number"
    elif kind in ("too_short", "string_too_short"):
        least = context.get("min_length", 1)
        what, mend = f"is empty or too short: at least {least}{_unit(kind, least)}", "add what is missing"
    elif kind in ("too_long", "string_too_long"):
        most = context["max_length"]
        what, mend = f"is too long: at most {most}{_unit(kind, most)}", "shorten it"
    elif kind == "string_pattern_mismatch":
        form, mend = _PATTERNS.get(context["pattern"], (f"text of the form {context['pattern']}", ""))
        what = f"must be {form}{given}"
    elif kind == "value_error":
        what = "does not hold" if private else f"does not hold: {context['error']}"
    return what, mend


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


def _owner(path: Path, root: Node) -> str:
    """`web: ` where the path lies within a named entry of a list, such as a service; else nothing."""
    node: Node | None = root
    for part in path:
        node = _child(node, part) if node is not None else None
        if isinstance(part, int) and node is not None:
            name = _child(node, "name") or _child(node, "region")
            return (
                f"{name.value}: " if name is not None and isinstance(name.value, str) and len(name.value) <= 60 else ""
            )
    return ""


def _inside(path: Path) -> str:
    return f" in {_name(path)}" if path and not isinstance(path[-1], int) else ""


# -- which keys a place knows -----------------------------------------------------------------------------------


def _truths(node: Node, path: Path = ()) -> Iterator[tuple[Path, bool]]:
    """All `true` and `false` of a document."""
    if isinstance(node.value, bool):
        yield path, node.value
    elif isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _truths(child, (*path, key))
    elif isinstance(node.value, list):
        for i, child in enumerate(node.value):
            yield from _truths(child, (*path, i))


def _kinds(model: type[BaseModel], path: Path) -> set[Any]:
    """Types that the value at path may have; empty where the path is unknown."""
    here: set[Any] = {model}
    for part in path:
        here = {inner for kind in here for inner in _step(kind, part)}
    return here


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """Keys that the model at path knows, as users write them."""
    names: list[str] = []
    for kind in _kinds(model, path):
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
