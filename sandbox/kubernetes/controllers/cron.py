"""When a cron expression is due. Pure.

Five fields as in crontab(5), with names, steps, lists and ranges, and the `@hourly` family; a day matches when the day
of month or the day of week does, unless one of them is `*`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("week", 0, 7, _DAYS),
)
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LONGEST_DAYS = 366 * 8


@dataclass(frozen=True, slots=True)
class Schedule:
    """The numbers of each field; any_day, any_week: whether that field is `*`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_week: bool

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """ValueError says what is wrong with the expression."""
        words = _NAMED.get(text.strip(), text).split()
        if len(words) != len(_FIELDS):
            raise ValueError(f"expected exactly 5 fields, found {len(words)}: [{text}]")
        rows = [_numbers(word, *field) for word, field in zip(words, _FIELDS, strict=True)]
        week = frozenset(n % 7 for n in rows[4])
        starred = [word.startswith(("*", "?")) for word in words]
        return cls(rows[0], rows[1], rows[2], rows[3], week, starred[2], starred[4])

    def _is_due_on(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_week = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        return by_day and by_week if self.any_day or self.any_week else by_day or by_week

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Due times after that moment, in its time zone, without end but for dates that never come."""
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for _ in range(_LONGEST_DAYS):
            if self._is_due_on(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        due = day.replace(hour=hour, minute=minute)
                        if due > moment:
                            yield due
            day += timedelta(days=1)


def _numbers(word: str, name: str, least: int, most: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        body, _, step = part.partition("/")
        if step and (not step.isdigit() or int(step) == 0):
            raise ValueError(f"{name}: {part!r} has no valid step")
        if body in ("*", "?"):
            first, last = least, most if name != "week" else 6
        else:
            low, dash, high = body.partition("-")
            first = _number(low, name, names)
            last = _number(high, name, names) if dash else most if step else first
        if not least <= first <= last <= most:
            raise ValueError(f"{name}: {part!r} is not within {least} to {most}")
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, name: str, names: dict[str, int]) -> int:
    known = names.get(text.lower())
    if known is not None:
        return known
    if not text.isdigit():
        raise ValueError(f"{name}: failed to parse int from {text!r}")
    return int(text)
