"""Telling a person which name they may have meant. Callers: the parts of the sandbox that take names from people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

_SHOWN = 12


def did_you_mean(given: str, known: Collection[str]) -> str:
    """`; did you mean 'x'?`, or the names there are where none is close and they are few."""
    lower = {name.lower(): name for name in known}
    close = get_close_matches(str(given).lower(), lower, n=2, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(repr(lower[name]) for name in close)}?"
    return f"; there are {', '.join(known)}" if 0 < len(known) <= _SHOWN else ""


def check_keys(what: str, data: Mapping[str, Any], known: Iterable[str], error: type[ValueError] = ValueError) -> None:
    """Raises error for the first key that is not known."""
    names = list(known)
    for key in data:
        if key not in names:
            raise error(f"{what} has no field {key!r}{did_you_mean(str(key), names)}")
