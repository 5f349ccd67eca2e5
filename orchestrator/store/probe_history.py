"""What probes learned, one row a target and vantage. Callers: orchestrator.remembering.

A row holds the last response times only, is written over, and goes after KEEP_S without news; there are ROWS_MOST at
most, the oldest go first. Neither fenced nor audited: nothing but the first seconds of a detector relies on it. Of
several processes that watch the same target from the same vantage the last one's times stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from orchestrator.store.database import Database
from orchestrator.store.tables import probe_history as table
from probes.history import Learned

KEEP_S: Final = 30 * 86_400.0
ROWS_MOST: Final = 50_000
_NAMES_AT_ONCE: Final = 500
_TIMES_MOST: Final = 1_000  # of a row: more than that we never wrote
_OUTCOMES_MOST: Final = 16


class ProbeHistory:
    """Rows in and out, many at a time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        insert = db.insert(table)
        changed = {name: insert.excluded[name] for name in ("times_us", "outcomes", "at_s")}
        self._upsert = insert.on_conflict_do_update(index_elements=[table.c.target, table.c.vantage], set_=changed)

    def put(self, rows: Sequence[Learned]) -> None:
        """Writes them in one transaction. Raises StoreUnavailable and its kin."""
        if rows:
            with self._db.write() as conn:
                conn.execute(self._upsert, [_values(row) for row in rows])

    def of(self, targets: Iterable[str]) -> list[Learned]:
        """What is known of these targets, from every vantage. A row that makes no sense is left out."""
        names = sorted(set(targets))
        found: list[Learned | None] = []
        with self._db.read() as conn:
            for first in range(0, len(names), _NAMES_AT_ONCE):
                some = names[first : first + _NAMES_AT_ONCE]
                rows = conn.execute(sa.select(table).where(table.c.target.in_(some)))
                found += [_learned(row) for row in rows]
        return [row for row in found if row is not None]

    def prune(self, now_s: float, *, keep_s: float = KEEP_S, rows_most: int = ROWS_MOST) -> int:
        """Drops what is too old, and the oldest of what is too much; how many rows."""
        with self._db.write() as conn:
            dropped = conn.execute(sa.delete(table).where(table.c.at_s < now_s - keep_s)).rowcount
            beyond = conn.execute(
                sa.select(table.c.at_s).order_by(table.c.at_s.desc()).offset(rows_most).limit(1)
            ).scalar_one_or_none()
            if beyond is not None:
                dropped += conn.execute(sa.delete(table).where(table.c.at_s <= beyond)).rowcount
        return dropped


def _values(row: Learned) -> dict[str, Any]:
    return {
        "target": row.target,
        "vantage": row.vantage,
        "times_us": " ".join([str(round(t * 1e6)) for t in row.times_s]),
        "outcomes": json.dumps(dict(row.outcomes), sort_keys=True),
        "at_s": row.at_s,
    }


def _learned(row: sa.Row[Any]) -> Learned | None:
    words = row.times_us.split()
    try:
        counts = json.loads(row.outcomes)
    except ValueError:
        return None
    sane = isinstance(counts, dict) and len(counts) <= _OUTCOMES_MOST and len(words) <= _TIMES_MOST
    if not sane or not all(w.isascii() and w.isdigit() and len(w) < 12 for w in words):
        return None
    if not all(isinstance(n, int) and n >= 0 for n in counts.values()):
        return None
    return Learned(row.target, row.vantage, tuple(int(w) / 1e6 for w in words), counts, row.at_s)
