"""Where a finding lies: `file:line:column`, `file:line`, or in no file. Callers: waivers, verdict, reports. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from posixpath import normpath

_PLACE = re.compile(r"^(?P<path>.+?):(?P<line>\d+)(?::(?P<column>\d+))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Position:
    """line and column count from 1; column 0: not told. path: without `./` and other detours."""

    path: str
    line: int
    column: int = 0

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """None where it names no line of a file: a cloud's id, say."""
        return _parsed(text)


@lru_cache(maxsize=2**16)
def _parsed(text: str) -> Position | None:
    """Many findings stand at the same place, and each is asked for it several times."""
    found = _PLACE.fullmatch(text)
    if found is None or int(found["line"]) < 1:
        return None
    return Position(normpath(found["path"]), int(found["line"]), int(found["column"] or 0))
