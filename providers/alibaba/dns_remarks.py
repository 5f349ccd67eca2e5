"""What the remark of a DNS record says of us, and weights between the model and Alidns. Pure.

Callers: dns.py. A remark has at most 50 letters, digits and -_,. characters (UpdateDomainRecordRemark); ours reads
`duoyun,FLEET`, with `,WEIGHT` and `,LABEL` where they are not 1 and "". Alidns takes weights of 1 to 100
(UpdateDNSSLBWeight), the model has 0 to 255: larger ones are scaled so that the largest is 100, and the remark keeps
the wanted one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MARK = "duoyun"
_REMARK = re.compile(r"[\w\-,.]{0,50}", re.ASCII)
_LARGEST = 100


@dataclass(frozen=True, slots=True)
class Remark:
    """fleet "" for a remark that is not ours."""

    fleet: str = ""
    weight: int = 1
    label: str = ""


def read_remark(text: str) -> Remark:
    parts = text.split(",")
    if parts[0] != _MARK or len(parts) < 2 or not parts[1]:
        return Remark()
    weight = parts[2] if len(parts) > 2 else "1"
    return Remark(parts[1], int(weight) if weight.isdigit() else 1, parts[3] if len(parts) > 3 else "")


def write_remark(remark: Remark, *, problem_only: bool = False) -> str:
    """The text; with problem_only, what is wrong with it, "" where nothing is."""
    parts = [_MARK, remark.fleet]
    if remark.weight != 1 or remark.label:
        parts += [str(remark.weight), *([remark.label] if remark.label else [])]
    text = ",".join(parts)
    if not problem_only:
        return text
    if read_remark(text) != remark or not _REMARK.fullmatch(text):
        return f"its mark {text!r} does not fit into a remark of 50 letters, digits, - and _: shorten fleet or label"
    return ""


def cloud_weights(wanted: Mapping[str, int]) -> dict[str, int]:
    """Weights as Alidns takes them, 0 for what is switched off. Nothing that has a share loses it."""
    largest = max(wanted.values(), default=0)
    if largest <= _LARGEST:
        return dict(wanted)
    return {value: weight and max(1, round(weight * _LARGEST / largest)) for value, weight in wanted.items()}


def shown_weights(records: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """The weight of each record; None for one that somebody switched off.

    The wanted weights where the cloud has what would be sent for them, else the cloud's own.
    """
    remarks = [read_remark(str(r.get("Remark") or "")) for r in records]
    enabled = [str(r.get("Status", "ENABLE")).upper() == "ENABLE" for r in records]
    wanted = {str(number): remark.weight for number, remark in enumerate(remarks)}
    weighted = any(r.get("LbaStatus") for r in records)
    would = cloud_weights(wanted)
    if len(records) == 1:
        as_wanted = enabled[0]
    else:
        actual = {
            str(n): (int(r.get("Weight") or 1) if weighted else 1) if enabled[n] else 0 for n, r in enumerate(records)
        }
        as_wanted = actual == would
    if as_wanted:
        return [remark.weight for remark in remarks]
    own = [int(r.get("Weight") or 1) if weighted else 1 for r in records]
    return [weight if on else None for weight, on in zip(own, enabled, strict=True)]
