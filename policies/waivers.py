"""Exceptions from rules that somebody answers for, until a date.

Callers: gate, orchestrator (which reads the file). Pure: today's date comes in as a value.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from model.errors import Diagnostic, InvalidInput

_FIELDS = ("id", "rule", "address", "reason", "owner", "expires")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One exception. address: glob over a finding's address. expires: the last day on which it holds."""

    id: str
    rule: str
    address: str
    reason: str
    owner: str
    expires: datetime.date

    def covers(self, rule_id: str, address: str) -> bool:
        return rule_id == self.rule and fnmatchcase(address, self.address)

    def expired(self, today: datetime.date) -> bool:
        return today > self.expires


def waivers_from_data(data: Any) -> tuple[Waiver, ...]:
    """`waivers:` of a parsed YAML or JSON file. Raises InvalidInput with every mistake; all six fields are needed."""
    rows = data.get("waivers") if isinstance(data, Mapping) else None
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise InvalidInput([Diagnostic("", "a waiver file holds a list `waivers:`")])
    mistakes: list[Diagnostic] = []
    found: list[Waiver] = []
    for index, row in enumerate(rows):
        wrong = list(_mistakes(f"waivers[{index}]", row))
        mistakes += wrong
        if not wrong:
            found.append(Waiver(**{k: row[k] for k in _FIELDS[:-1]}, expires=_date(row["expires"])))
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
    for key in _FIELDS[:-1]:
        if not isinstance(row.get(key), str) or not row[key].strip():
            yield Diagnostic(place, f"{key} is missing or no text")
    try:
        _date(row.get("expires"))
    except ValueError:
        yield Diagnostic(place, f"expires {row.get('expires')!r} is no date such as 2027-03-31")


def _date(value: Any) -> datetime.date:
    if isinstance(value, datetime.datetime):
        raise ValueError("a day, not a moment")  # noqa: TRY004  (one error type for every bad value)
    if isinstance(value, datetime.date):  # YAML reads dates by itself
        return value
    return datetime.date.fromisoformat(str(value))
