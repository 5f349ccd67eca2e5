"""Terraform's built-in functions, as far as they compute without files, clocks or secrets.

Callers: modules.py. A function that is not here gives a Pending that says so. Facts:
https://developer.hashicorp.com/terraform/language/functions.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import ipaddress
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from model.native import JsonText, Pending, holds_pending, render

MOST_ITEMS: Final = 100_000
"""Items that one call may make: `range` and the products stop here."""


class CannotCompute(Exception):
    """The arguments do not fit."""


_FAULTS: Final = (TypeError, ValueError, LookupError, ArithmeticError, re.error, AttributeError, StopIteration)


def call(name: str, arguments: list[Any], text: str) -> Any:
    """Never raises; what cannot be computed is Pending."""
    name = name.removeprefix("core::")
    lenient = _LENIENT.get(name)
    strict = _STRICT.get(name)
    if lenient is None and strict is None:
        return Pending(text, why=f"the function {name} is not computed here")
    try:
        if lenient is not None:
            return lenient(*arguments)
        waiting = next((a for a in arguments if holds_pending(a)), None)
        if waiting is not None:
            why = waiting.why if isinstance(waiting, Pending) else "a part of it is known only after apply"
            return Pending(text, why=why)
        assert strict is not None
        return strict(*arguments)
    except (*_FAULTS, CannotCompute) as exc:
        return Pending(text, why=f"the function {name} cannot be computed: {exc}")


def _listed(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [value[k] for k in sorted(value)]
    if not isinstance(value, list):
        raise CannotCompute("it wants a list")
    return value


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _distinct(values: list[Any]) -> list[Any]:
    seen: dict[str, Any] = {}
    for value in values:
        seen.setdefault(_key(value), value)
    return list(seen.values())


def _set(values: Any) -> list[Any]:
    found = _distinct(_listed(values))
    return sorted(found, key=render) if all(isinstance(f, str | int | float) for f in found) else found


def _flatten(values: list[Any]) -> list[Any]:
    out: list[Any] = []
    for value in values:
        out.extend(_flatten(value) if isinstance(value, list) else [value])
    return out


def _merge(*maps: Any) -> Any:
    merged: dict[str, Any] = {}
    for found in maps:
        if isinstance(found, Pending):
            return found
        merged.update(found or {})
    return merged


def _concat(*lists: Any) -> Any:
    waiting = next((found for found in lists if isinstance(found, Pending)), None)
    if waiting is not None:
        return waiting
    if sum(len(found) for found in lists) > MOST_ITEMS:
        raise CannotCompute("it would make too many items")
    return [item for found in lists for item in _listed(found)]


def _lookup(mapping: Any, key: Any, *default: Any) -> Any:
    if isinstance(mapping, Pending) or isinstance(key, Pending):
        return mapping if isinstance(mapping, Pending) else key
    if key in mapping:
        return mapping[key]
    if not default:
        raise CannotCompute(f"there is no {key!r}")
    return default[0]


def _element(values: Any, index: Any) -> Any:
    if isinstance(values, Pending) or isinstance(index, Pending):
        return values if isinstance(values, Pending) else index
    return _listed(values)[int(index) % len(values)]


def _coalesce(*values: Any) -> Any:
    for value in values:
        if isinstance(value, Pending) or value not in (None, ""):
            return value
    raise CannotCompute("all are null")


def _try(*values: Any) -> Any:
    for value in values[:-1]:
        if not (isinstance(value, Pending) and "there is no" in value.why):
            return value
    return values[-1]


def _can(value: Any) -> Any:
    if isinstance(value, Pending):
        return False if "there is no" in value.why else value
    return True


def _length(value: Any) -> Any:
    return value if isinstance(value, Pending) else len(value)


def _jsonencode(value: Any) -> JsonText:
    def default(part: Any) -> str:
        return render(part)

    return JsonText(json.dumps(value, default=default, separators=(",", ":"), ensure_ascii=False), value)


def _toset(value: Any) -> Any:
    return value if isinstance(value, Pending) else _set(value)


def _same(value: Any) -> Any:
    return value


def _join(separator: Any, values: Any) -> Any:
    parts = values if isinstance(values, list) else [values]
    text = str(separator).join(map(render, parts))
    waiting = next((p for p in parts if isinstance(p, Pending)), None)
    return Pending(text, partial=True, why=waiting.why) if waiting is not None else text


def _compact(values: Any) -> Any:
    return values if isinstance(values, Pending) else [v for v in values if v not in (None, "")]


def _one(values: Any) -> Any:
    if isinstance(values, Pending):
        return values
    if len(values) > 1:
        raise CannotCompute("there is more than one")
    return values[0] if values else None


_LENIENT: Final[Mapping[str, Callable[..., Any]]] = {
    "merge": _merge,
    "concat": _concat,
    "lookup": _lookup,
    "element": _element,
    "coalesce": _coalesce,
    "try": _try,
    "can": _can,
    "length": _length,
    "jsonencode": _jsonencode,
    "tolist": _same,
    "tomap": _same,
    "toset": _toset,
    "sensitive": _same,
    "nonsensitive": _same,
    "flatten": lambda v: v if isinstance(v, Pending) else _flatten(v),
    "join": _join,
    "compact": _compact,
    "one": _one,
    "keys": lambda v: v if isinstance(v, Pending) else sorted(v),
    "values": lambda v: v if isinstance(v, Pending) else [v[k] for k in sorted(v)],
    "zipmap": lambda k, v: (
        k if isinstance(k, Pending) else v if isinstance(v, Pending) else dict(zip(k, v, strict=True))
    ),
}
"""Functions that have an answer though parts of their arguments are Pending."""


def _whole(value: Any) -> int | float:
    found = float(value)
    return int(found) if found.is_integer() else found


def _tobool(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise CannotCompute(f"{value!r} is no truth value")


def _range(*numbers: Any) -> list[int]:
    found = range(*(int(n) for n in numbers))
    if len(found) > MOST_ITEMS:
        raise CannotCompute(f"it would make {len(found)} items")
    return list(found)


def _product(*lists: Any) -> list[list[Any]]:
    if math.prod(len(found) for found in lists) > MOST_ITEMS:
        raise CannotCompute("it would make too many items")
    return [list(row) for row in itertools.product(*lists)]


def _format(pattern: str, *values: Any) -> str:
    rest = iter(values)

    def one(match: re.Match[str]) -> str:
        if match.group() == "%%":
            return "%"
        value = next(rest)
        verb = match.group()[-1]
        if verb in "vs":
            text = render(value) if not isinstance(value, list | dict) else json.dumps(value)
            return f"%{match.group()[1:-1]}s" % text
        if verb == "q":
            return json.dumps(render(value))
        if verb == "t":
            return render(value)
        return match.group() % (float(value) if verb in "feg" else int(value))

    return re.sub(r"%[-+ 0#]{0,5}\d{0,3}(?:\.\d{1,2})?[vsqtdfegxXob%]", one, pattern)


def _formatlist(pattern: str, *values: Any) -> list[str]:
    count = max((len(v) for v in values if isinstance(v, list)), default=1)
    return [_format(pattern, *(v[i] if isinstance(v, list) else v for v in values)) for i in range(count)]


def _go_pattern(pattern: str) -> str:
    return re.sub(r"\(\?<(\w)", r"(?P<\1", pattern)


def _regex(pattern: str, text: str) -> Any:
    found = re.search(_go_pattern(pattern), text)
    if found is None:
        raise CannotCompute("there is no match")
    return found.groupdict() or list(found.groups()) or found.group()


def _replace(text: str, old: str, new: str) -> str:
    if len(old) > 1 and old.startswith("/") and old.endswith("/"):
        return re.sub(_go_pattern(old[1:-1]), re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", new), text)
    return text.replace(old, new)


def _cidrsubnet(block: str, more: Any, number: Any) -> str:
    network = ipaddress.ip_network(block, strict=False)
    length = network.prefixlen + int(more)
    if length > network.max_prefixlen or int(number) >= 1 << int(more):
        raise CannotCompute("it does not fit into the block")
    start = int(network.network_address) + (int(number) << (network.max_prefixlen - length))
    return f"{ipaddress.ip_address(start)}/{length}"


def _cidrsubnets(block: str, *more: Any) -> list[str]:
    network = ipaddress.ip_network(block, strict=False)
    at = int(network.network_address)
    out = []
    for bits in more:
        length = network.prefixlen + int(bits)
        size = 1 << (network.max_prefixlen - length)
        at = -(-at // size) * size
        out.append(f"{ipaddress.ip_address(at)}/{length}")
        at += size
    return out


def _slice(values: Any, start: Any, end: Any) -> Any:
    return values[int(start) : int(end)]


def _substr(text: str, start: Any, length: Any) -> str:
    return text[int(start) :] if int(length) < 0 else text[int(start) : int(start) + int(length)]


def _digest(name: str) -> Callable[[str], str]:
    return lambda text: hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _numbers(values: Iterable[Any]) -> list[int | float]:
    return [_whole(v) for v in values]


def _yamldecode(text: str) -> Any:
    from model.spec.yaml_source import read_documents

    documents, mistakes = read_documents("yamldecode", text)
    if mistakes or len(documents) != 1:
        raise CannotCompute(mistakes[0].what if mistakes else "it wants one document")
    return documents[0].root.plain()


_STRICT: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": lambda v: abs(_whole(v)),
    "ceil": lambda v: math.ceil(_whole(v)),
    "floor": lambda v: math.floor(_whole(v)),
    "max": lambda *v: max(_numbers(v)),
    "min": lambda *v: min(_numbers(v)),
    "sum": lambda v: sum(_numbers(v)),
    "pow": lambda a, b: _whole(a**b) if abs(b) < 64 else math.pow(a, b),
    "signum": lambda v: (v > 0) - (v < 0),
    "parseint": lambda text, base: int(text, int(base)),
    "log": math.log,
    "chomp": lambda v: v.rstrip("\r\n"),
    "lower": lambda v: v.lower(),
    "upper": lambda v: v.upper(),
    "title": lambda v: v.title(),
    "trimspace": lambda v: v.strip(),
    "trim": lambda v, cut: v.strip(cut),
    "trimprefix": lambda v, cut: v.removeprefix(cut),
    "trimsuffix": lambda v, cut: v.removesuffix(cut),
    "startswith": lambda v, part: v.startswith(part),
    "endswith": lambda v, part: v.endswith(part),
    "strcontains": lambda v, part: part in v,
    "strrev": lambda v: v[::-1],
    "indent": lambda n, v: v.replace("\n", "\n" + " " * int(n)),
    "split": lambda separator, v: v.split(separator) if v else [""],
    "substr": _substr,
    "replace": _replace,
    "regex": _regex,
    "regexall": lambda p, v: [m if isinstance(m, str) else list(m) for m in re.findall(_go_pattern(p), v)],
    "format": _format,
    "formatlist": _formatlist,
    "tostring": lambda v: None if v is None else render(v),
    "tonumber": lambda v: None if v is None else _whole(v),
    "tobool": _tobool,
    "range": _range,
    "reverse": lambda v: v[::-1],
    "sort": lambda v: sorted(map(str, v)),
    "slice": _slice,
    "distinct": _distinct,
    "contains": lambda v, item: item in v,
    "index": lambda v, item: v.index(item),
    "chunklist": lambda v, n: [v[i : i + int(n)] for i in range(0, len(v), int(n))],
    "coalescelist": lambda *v: next(found for found in v if found),
    "alltrue": lambda v: all(_tobool(i) for i in v),
    "anytrue": lambda v: any(_tobool(i) for i in v),
    "setunion": lambda *v: _set([i for found in v for i in found]),
    "setintersection": lambda first, *rest: _set([i for i in first if all(i in found for found in rest)]),
    "setsubtract": lambda first, second: _set([i for i in first if i not in second]),
    "setproduct": _product,
    "transpose": lambda v: {
        k: sorted(n for n in v if k in v[n]) for k in sorted({i for found in v.values() for i in found})
    },
    "matchkeys": lambda v, keys, wanted: [a for a, k in zip(v, keys, strict=True) if k in wanted],
    "jsondecode": json.loads,
    "yamldecode": _yamldecode,
    "csvdecode": lambda v: list(csv.DictReader(io.StringIO(v), strict=True)),
    "base64encode": lambda v: base64.b64encode(v.encode()).decode(),
    "base64decode": lambda v: base64.b64decode(v).decode(),
    "base64gzip": lambda v: Pending(v, partial=True, why="compressed text is not computed"),
    "md5": _digest("md5"),
    "sha1": _digest("sha1"),
    "sha256": _digest("sha256"),
    "sha512": _digest("sha512"),
    "basename": lambda v: v.rstrip("/").rsplit("/", 1)[-1],
    "dirname": lambda v: v.rsplit("/", 1)[0] if "/" in v else ".",
    "cidrhost": lambda block, n: str(ipaddress.ip_network(block, strict=False)[int(n)]),
    "cidrnetmask": lambda block: str(ipaddress.ip_network(block, strict=False).netmask),
    "cidrsubnet": _cidrsubnet,
    "cidrsubnets": _cidrsubnets,
}
