"""Values of DNS record sets: between Azure's lists by type and the model's texts. Pure.

Callers: dns.py. Texts are those of a zone file: `10 mail.example.com` for MX, `0 issue "ca.example"` for CAA.
Source: learn.microsoft.com/rest/api/dns/record-sets (API 2018-05-01).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from model.errors import InvalidRequest

_CAA = re.compile(r'(\d+) (\S+) "(.*)"')
_TXT_PART = 255


def values_of(type_: str, properties: Mapping[str, Any]) -> list[str]:
    """The record's values in the model's words; empty for an alias and for types that the model has no words for."""
    member, read, _ = _TYPES.get(type_, ("", None, None))
    found = properties.get(member) or properties.get(member[:1].upper() + member[1:]) if member else None
    if not found or read is None:
        return []
    rows = found if isinstance(found, list) else [found]
    return [read(row) for row in rows]


def body_of(type_: str, values: list[str]) -> dict[str, Any]:
    """Member of a record set's properties that holds these values. Raises InvalidRequest."""
    member, _, write = _TYPES.get(type_, ("", None, None))
    if write is None:
        raise InvalidRequest(
            f"Azure's adapter has no DNS records of type {type_}", mend=f"use one of {', '.join(sorted(_TYPES))}"
        )
    if type_ == "CNAME":
        if len(values) != 1:
            raise InvalidRequest("a CNAME has exactly one value", mend="give one answer, or weights")
        return {member: write(values[0])}
    return {member: [write(value) for value in values]}


def _plain(name: str) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    return (lambda row: str(row.get(name) or "")), (lambda value: {name: value})


def _parts(*names: str) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    """Numbers, then one name."""

    def write(value: str) -> dict[str, Any]:
        words = value.split()
        if len(words) != len(names) or not all(w.isdigit() for w in words[:-1]):
            raise InvalidRequest(f"{value!r} does not read {' '.join(names)}", mend="correct the record's value")
        return {n: int(w) if w.isdigit() else w for n, w in zip(names, words, strict=True)}

    return (lambda row: " ".join(str(row.get(n, "")) for n in names)), write


def _write_text(value: str) -> dict[str, Any]:
    return {"value": [value[i : i + _TXT_PART] for i in range(0, len(value), _TXT_PART)] or [""]}


def _write_caa(value: str) -> dict[str, Any]:
    match = _CAA.fullmatch(value)
    if match is None:
        raise InvalidRequest(f'{value!r} does not read FLAGS TAG "VALUE"', mend="correct the record's value")
    return {"flags": int(match[1]), "tag": match[2], "value": match[3]}


_TYPES: Mapping[str, tuple[str, Any, Any]] = {
    "A": ("ARecords", *_plain("ipv4Address")),
    "AAAA": ("AAAARecords", *_plain("ipv6Address")),
    "CNAME": ("CNAMERecord", *_plain("cname")),
    "NS": ("NSRecords", *_plain("nsdname")),
    "PTR": ("PTRRecords", *_plain("ptrdname")),
    "MX": ("MXRecords", *_parts("preference", "exchange")),
    "SRV": ("SRVRecords", *_parts("priority", "weight", "port", "target")),
    "TXT": ("TXTRecords", lambda row: "".join(row.get("value") or ()), _write_text),
    "CAA": (
        "caaRecords",
        lambda row: f'{row.get("flags", 0)} {row.get("tag", "")} "{row.get("value", "")}"',
        _write_caa,
    ),
}
