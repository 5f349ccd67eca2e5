"""Exceptions from rules that somebody answers for, until a date.

Callers: gate, inline (waivers as comments), orchestrator (which reads the file). Pure: today's date is handed in.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Any

from model.errors import Diagnostic, InvalidInput
from policies.positions import Position

_FIELDS = ("id", "rule", "address", "path", "reason", "owner", "expires")
_NEEDED = ("id", "rule", "reason", "owner")
_PLACES = ("address", "path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One exception. address and path: globs over a finding's address and over the file it lies in; `*` is all.

    lines: first and last line of that file that it covers, for a waiver written there as a comment. expires: the last
    day on which it holds.
    """

    id: str
    rule: str
    address: str = "*"
    path: str = "*"
    reason: str
    owner: str
    expires: datetime.date
    lines: tuple[int, int] | None = None

    def covers(self, rule_id: str, address: str, position: str = "") -> bool:
        if rule_id != self.rule or not fnmatchcase(address, self.address):
            return False
        if self.path == "*" and self.lines is None:
            return True
        place = Position.parse(position)
        if place is None or not (
            place.path == normpath(self.path) or (self.lines is None and fnmatchcase(place.path, self.path))
        ):
            return False
        return self.lines is None or self.lines[0] <= place.line <= self.lines[1]

    def expired(self, today: datetime.date) -> bool:
        return today > self.expires


def waivers_from_data(data: Any) -> tuple[Waiver, ...]:
    """`waivers:` of a parsed YAML or JSON file. Raises InvalidInput with every mistake.

    Needed are id, rule, reason, owner, expires, and at least one of address and path.
    """
    rows = data.get("waivers") if isinstance(data, Mapping) else None
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise InvalidInput([Diagnostic("", "a waiver file holds a list `waivers:`")])
    mistakes: list[Diagnostic] = []
    found: list[Waiver] = []
    for index, row in enumerate(rows):
        wrong = list(_mistakes(f"waivers[{index}]", row))
        mistakes += wrong
        if not wrong:
            texts = {k: row[k] for k in (*_NEEDED, *_PLACES) if k in row}
            found.append(Waiver(**texts, expires=day(row["expires"])))
    for waiver_id, count in Counter(w.id for w in found).items():
        if count > 1:
            mistakes.append(Diagnostic("waivers", f"id {waiver_id} occurs {count} times"))
    if mistakes:
        raise InvalidInput(mistakes)
    return tuple(found)


def _mistakes(place: str, row: Any) -> Iterator[Diagnostic]:
    if not isinstance(row, Mapping):
        yield Diagnostic(place, "is no mapping")
        return
    for key in sorted(set(map(str, row)) - set(_FIELDS)):
        yield Diagnostic(place, f"{key} means nothing here", f"fields: {', '.join(_FIELDS)}")
    for key in (*_NEEDED, *(k for k in _PLACES if k in row)):
        if not isinstance(row.get(key), str) or not row[key].strip():
            yield Diagnostic(place, f"{key} is missing or no text")
    if not any(k in row for k in _PLACES):
        yield Diagnostic(place, "neither address nor path says what it covers", 'write for example path: "legacy/*.tf"')
    try:
        day(row.get("expires"))
    except ValueError:
        yield Diagnostic(place, f"expires {row.get('expires')!r} is no date such as 2027-03-31")


def day(value: Any) -> datetime.date:
    """ValueError where it is no day."""
    if isinstance(value, datetime.datetime):
        raise ValueError("a day, not a moment")  # noqa: TRY004  (one error type for every bad value)
    if isinstance(value, datetime.date):  # YAML reads dates by itself
        return value
    return datetime.date.fromisoformat(str(value))
