"""What `duoyun probe watch` shows: rows of what was seen, and the table made of them. Callers: probe_watch."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from probes.targets import Look

_BARS = "▁▂▃▄▅▆▇█"
SHOWN = 32
HERE = "here"
_COLOURS = {"down": "bold red", "unreachable": "red", "suspect": "yellow", "unknown": "dim", "up": "green"}
_GRAVEST = {status: rank for rank, status in enumerate(_COLOURS)}


@dataclass(slots=True)
class Seen:
    """What one vantage saw of a target."""

    times_s: deque[float | None] = field(default_factory=lambda: deque(maxlen=SHOWN))
    probes: int = 0
    reason: str = ""


@dataclass(slots=True)
class Row:
    """A target: the verdict in force and what each vantage saw."""

    status: str = "unknown"
    why: str = "not asked yet"
    since_s: float = 0.0
    seen: dict[str, Seen] = field(default_factory=lambda: {HERE: Seen()})
    certificate_days: float | None = None

    def add(self, look: Look) -> None:
        """Counts a probe."""
        seen = self.seen[look.result.vantage]
        seen.probes += 1
        seen.times_s.append(look.result.elapsed_s if look.result.outcome == "ok" else None)
        seen.reason = look.reason
        if look.certificate_days is not None:
            self.certificate_days = look.certificate_days

    @property
    def reason(self) -> str:
        """Of a vantage whose last probe did not go well; "" where all did."""
        return next((f"{s.reason}, from {v}" if v != HERE else s.reason for v, s in self.seen.items() if s.reason), "")

    def as_json(self) -> dict[str, Any]:
        """As `-o json` tells it."""
        return {
            "status": self.status,
            "why": self.why,
            "reason": self.reason,
            **_times([t for seen in self.seen.values() for t in seen.times_s]),
            "probes": sum(seen.probes for seen in self.seen.values()),
            "vantages": {name: {"probes": s.probes, **_times(s.times_s)} for name, s in self.seen.items()},
            "certificate_days": None if self.certificate_days is None else round(self.certificate_days, 1),
        }


def sparkline(times_s: list[float | None]) -> str:
    """Bars from 0 to the longest; a cross where no good answer came."""
    longest = max((t for t in times_s if t is not None), default=0.0)
    return "".join(
        "×" if t is None else _BARS[min(len(_BARS) - 1, int(t / longest * len(_BARS)))] if longest else _BARS[0]
        for t in times_s
    )


def table(rows: dict[str, Row], most: int) -> Table:
    """One row a target and vantage, at most so many: those first that are worst, where there are more than that.

    Rows may be added to meanwhile by another thread.
    """
    from rich.table import Table

    vantages = len(next(iter(rows.values())).seen) if rows else 1
    shown, room = list(rows.items()), max(1, most // vantages)
    caption = None
    if len(shown) > room:
        shown = sorted(shown, key=lambda item: _GRAVEST[item[1].status])[: max(1, (most - 1) // vantages)]
        counts = Counter(row.status for row in rows.values())
        told = ", ".join(f"{counts[status]:,} {status}" for status in _COLOURS if counts[status])
        caption = f"{len(shown)} of {len(rows):,} targets, the worst first; {told}"
    found = Table(expand=True, box=None, caption=caption, caption_justify="left")
    for title in ("target", "from", "last", "response times", "verdict", "why"):
        found.add_column(title, no_wrap=caption is not None or title != "why", overflow="ellipsis")
    for name, row in shown:
        _add(found, name, row)
    return found


def _add(found: Table, name: str, row: Row) -> None:
    from rich.markup import escape

    why = f"{row.why} ({row.reason})" if row.reason else row.why
    if row.certificate_days is not None:
        why += f"; certificate: {row.certificate_days:.0f} days"
    told = [escape(name), f"[{_COLOURS[row.status]}]{row.status}[/]", escape(why)]
    for vantage, seen in row.seen.items():
        times_s = list(seen.times_s)
        last_s = next((t for t in reversed(times_s) if t is not None), None)
        last = "-" if last_s is None else f"{last_s * 1000:.1f} ms"
        found.add_row(told[0], escape(vantage), last, sparkline(times_s), told[1], told[2])
        told = ["", "", ""]  # a target's name and verdict once, its vantages below one another


def _times(measured: Iterable[float | None]) -> dict[str, float | None]:
    times = sorted(t for t in measured if t is not None)
    return {
        "p50_ms": round(times[len(times) // 2] * 1000, 3) if times else None,
        "max_ms": round(times[-1] * 1000, 3) if times else None,
    }
