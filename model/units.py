"""Quantities as people write them, parsed to integers with the unit in the name.

Formats: Kubernetes resource quantities (kubernetes.io, "Resource Management for Pods and Containers") and
durations such as `90s`, `15m`, `1h30m`.
"""

from __future__ import annotations

import re

_MEMORY = {
    "": 1,
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip
_DURATION = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MIB = 2**20
MOST_MILLICORES, MOST_BYTES = 10**10, 2**60  # ten million cores, an exbibyte: beyond it is a slip of the pen


def cpu_millicores(text: str | float) -> int:
    """`500m`, `0.5`, `2` -> millicores. ValueError where it is no quantity or below one millicore."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is no cpu quantity; write for example 500m or 0.5")
    value = float(match[1]) * (1 if match[2] else 1000)
    if value < 1 or value != round(value):
        raise ValueError(f"{text!r} is not a whole number of millicores, at least 1m")
    if value > MOST_MILLICORES:
        raise ValueError(f"{text!r} is more cpu than anybody has; write for example 500m or 0.5")
    return round(value)


def memory_mib(text: str | int) -> int:
    """`256Mi`, `1Gi`, `128974848` (bytes) -> MiB, rounded up. ValueError where it is no quantity."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]i?|Ki)?", str(text).strip())
    if match is None or (match[2] or "") not in _MEMORY:
        raise ValueError(f"{text!r} is no memory quantity; write for example 256Mi or 1Gi")
    size = float(match[1]) * _MEMORY[match[2] or ""]
    if size <= 0:
        raise ValueError(f"{text!r}: memory must be above zero")
    if size > MOST_BYTES:
        raise ValueError(f"{text!r} is more memory than anybody has; write for example 256Mi or 1Gi")
    return -int(-size // MIB)


def disk_gib(text: str | int) -> int:
    """`20Gi`, `512Mi` -> GiB, rounded up. ValueError where it is no quantity."""
    try:
        return -(-memory_mib(text) // 1024)
    except ValueError as exc:
        raise ValueError(f"{text!r} is no size of a disk; write for example 20Gi") from exc


def duration_s(text: str | float) -> float:
    """`250ms`, `90s`, `15m`, `1h30m`, or a number of seconds -> seconds. ValueError otherwise."""
    raw = str(text).strip()
    if re.fullmatch(r"\d+(\.\d+)?", raw):
        return float(raw)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", raw)
    if not parts or "".join(n + u for n, u in parts) != raw:
        raise ValueError(f"{text!r} is no duration; write for example 90s, 15m or 1h30m")
    return sum(float(n) * _DURATION[u] for n, u in parts)


def share(text: str | float) -> float:
    """`50%` or `0.5` -> 0.5; from 0 to 1. ValueError otherwise."""
    raw = str(text).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s?(%?)", raw)
    value = float(text) if isinstance(text, float) else -1.0
    if match:
        value = float(match[1]) / (100 if match[2] else 1)
    if not 0 <= value <= 1 or isinstance(text, bool):
        raise ValueError(f"{text!r} is no share of a whole; write for example 50% or 0.5")
    return value


def count_or_percent(text: str | int) -> str | int:
    """`3` or `25%` (0 % to 100 %) as Kubernetes writes surge and unavailability. ValueError otherwise."""
    raw = str(text).strip()
    if re.fullmatch(r"\d{1,6}", raw) and not isinstance(text, bool):
        return int(raw)
    if re.fullmatch(r"\d{1,3}%", raw) and int(raw[:-1]) <= 100:
        return raw
    raise ValueError(f"{text!r} is neither a count nor a percentage; write for example 1 or 25%")
