"""Requests in Kubernetes' protobuf form, as data. kubectl sends what it makes itself that way (`create`, `auth can-i`).

Callers: bodies. The numbers of the fields are in protobuf_fields.json (tools/sandbox/protobuf_fields.py). Pure.
Non-goals: answers in protobuf; every client that sends it also takes JSON.
Form: kubernetes.io/docs/reference/using-api/api-concepts, "Kubernetes Protobuf encoding", and
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_INTEGERS: Final = frozenset({"int", "int32", "int64"})
_SPECIAL: Final = frozenset({"quantity", "intstr", "raw", "fields", "time", "microtime"})
_META_KINDS: Final = frozenset({"DeleteOptions", "Status", "PartialObjectMetadata"})
_MOST_NESTED = 64
Fields = Mapping[str, Any]


class Malformed(ValueError):
    """The bytes are no protobuf of that kind."""


@cache
def table() -> Mapping[str, Mapping[str, list[str]]]:
    """Message like `core/v1.Pod` -> field number -> [JSON name ("" for an inlined struct), type]."""
    text = files("sandbox.kubernetes").joinpath("protobuf_fields.json").read_text(encoding="ascii")
    found: Mapping[str, Mapping[str, list[str]]] = json.loads(text)
    return found


def decode(raw: bytes) -> dict[str, Any]:
    """The object in an envelope of runtime.Unknown. Raises Malformed."""
    if not raw.startswith(_MAGIC):
        raise Malformed("the prefix of Kubernetes' protobuf is missing")
    kind, api_version, body = "", "", b""
    for number, wire, value in _parts(raw[len(_MAGIC) :]):
        if number == 1 and wire == _BYTES:
            names = {n: bytes(v).decode("utf-8", "replace") for n, w, v in _parts(value) if w == _BYTES}
            api_version, kind = names.get(1, ""), names.get(2, "")
        elif number == 2 and wire == _BYTES:
            body = bytes(value)
    group, _, version = api_version.rpartition("/")
    package = "meta/v1" if kind in _META_KINDS else f"{group.partition('.')[0] or 'core'}/{version}"
    message = f"{package}.{kind}"
    if message not in table():
        raise Malformed(f"no kind {kind!r} is registered for version {api_version!r}")
    return {"apiVersion": api_version, "kind": kind, **_message(body, message, 0)}


def _parts(raw: bytes | memoryview) -> Iterator[tuple[int, int, Any]]:
    """(field number, wire type, value); a value is an int or a view of bytes."""
    view, at = memoryview(raw), 0
    while at < len(view):
        key, at = _varint(view, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(view, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(view, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise Malformed(f"wire type {wire} is not known")
        if at + length > len(view):
            raise Malformed("unexpected end of the body")
        yield number, wire, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(view) and shift < 64:
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise Malformed("a number does not end")


def _message(raw: bytes | memoryview, message: str, depth: int) -> dict[str, Any]:
    if depth > _MOST_NESTED:
        raise Malformed("nested too deeply")
    known = table()[message]
    found: dict[str, Any] = {}
    for number, wire, value in _parts(raw):
        row = known.get(str(number))
        if row is None:
            continue  # a field that a newer client knows
        name, kind = row
        if not name:
            found |= _message(_view(value), kind.lstrip("*"), depth + 1)
        elif kind.startswith("[]"):
            found.setdefault(name, []).extend(_items(value, wire, kind[2:], depth))
        elif kind.startswith("map:"):
            key, entry = _entry(_view(value), kind[4:], depth)
            found.setdefault(name, {})[key] = entry
        else:
            child = _value(value, kind.lstrip("*"), depth)
            # Go sends the zero of what is no pointer; in JSON such a field is left out.
            if kind.startswith("*") or child not in ("", 0, None):
                found[name] = child
    return found


def _view(value: Any) -> memoryview:
    if not isinstance(value, memoryview):
        raise Malformed("a number stands where a message is expected")
    return value


def _items(value: Any, wire: int, kind: str, depth: int) -> Iterator[Any]:
    if wire == _BYTES and (kind in _INTEGERS or kind == "bool"):
        view, at = _view(value), 0
        while at < len(view):  # packed
            number, at = _varint(view, at)
            yield _value(number, kind, depth)
    else:
        yield _value(value, kind, depth)


def _entry(raw: memoryview, kind: str, depth: int) -> tuple[str, Any]:
    key, value = "", b"" if kind not in _INTEGERS else 0
    entry: Any = memoryview(value) if isinstance(value, bytes) else value
    for number, _wire, part in _parts(raw):
        if number == 1:
            key = str(_view(part), "utf-8")
        elif number == 2:
            entry = part
    return key, _value(entry, kind, depth)


def _value(value: Any, kind: str, depth: int) -> Any:
    try:
        return _read(value, kind, depth)
    except (ValueError, OverflowError, OSError, struct.error) as exc:
        if isinstance(exc, Malformed):
            raise
        raise Malformed(f"a value of type {kind} cannot be read: {exc}") from exc


def _read(value: Any, kind: str, depth: int) -> Any:
    if kind in _INTEGERS or kind == "bool":
        if not isinstance(value, int):
            raise Malformed(f"no number where {kind} is expected")
        return bool(value) if kind == "bool" else _signed(value)
    view = _view(value)
    if kind == "string":
        return str(view, "utf-8")
    if kind == "bytes":
        return base64.b64encode(view).decode()
    if kind == "float64":
        return struct.unpack("<d", view)[0]
    if kind == "items":
        return [str(_view(part), "utf-8") for number, _wire, part in _parts(view) if number == 1]
    if kind in _SPECIAL:
        return _special({number: part for number, _wire, part in _parts(view)}, kind)
    return _message(view, kind, depth + 1)


def _signed(number: Any) -> int:
    if not isinstance(number, int):
        raise Malformed("bytes stand where a number is expected")
    return number - (1 << 64) if number >= 1 << 63 else number


def _special(parts: Mapping[int, Any], kind: str) -> Any:
    """The types that are one value in JSON and a message in protobuf."""
    if kind == "quantity":
        return str(_view(parts.get(1, memoryview(b""))), "utf-8")
    if kind == "intstr":
        return str(_view(parts.get(3, memoryview(b""))), "utf-8") if parts.get(1) else _signed(parts.get(2, 0))
    if kind in ("raw", "fields"):
        return json.loads(bytes(_view(parts[1]))) if parts.get(1) else None
    if not parts.get(1):
        return None
    text = datetime.fromtimestamp(_signed(parts[1]), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    nanos = _signed(parts.get(2, 0))
    return f"{text}.{nanos // 1000:06d}Z" if nanos else f"{text}Z"
