"""What was learned of targets, kept between processes: response times and what came of probes, per target and vantage.

Pure: results and the time come in, what changed comes out in batches. Callers: orchestrator.remembering, which writes
the batches to the store, and detectors that begin with what was learned before. Bounds: `pairs_most` pairs of target
and vantage, `ring` times each; what finds no room, or leaves a ring before anybody wrote it, is counted in `lost`.
Non-goals: every single result (metrics, probes/metrics.py); times of probes that nobody answered, which say how patient
we were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite

from probes.policy import Outcome, ProbePolicy, Result

_POLICY = ProbePolicy()
_ANSWERED = (Outcome.OK, Outcome.UNHEALTHY)


@dataclass(frozen=True, slots=True)
class Learned:
    """Of one target from one vantage. times_s: oldest first. outcomes: how often each came. at_s: since the epoch."""

    target: str
    vantage: str
    times_s: tuple[float, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    at_s: float = 0.0


@dataclass(slots=True)
class _Pair:
    times_s: deque[float]
    outcomes: dict[str, int]
    at_s: float = 0.0
    unsaved: int = 0  # times since it was last taken


class History:
    """Not thread-safe. Same inputs, same outputs."""

    def __init__(self, *, pairs_most: int = 20_000, ring: int = _POLICY.ring_size) -> None:
        """ValueError where there would be no room at all."""
        if pairs_most < 1 or ring < 1:
            raise ValueError("room for one pair and one time, at least")
        self._pairs_most = pairs_most
        self._ring = ring
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._changed: dict[tuple[str, str], None] = {}  # in the order in which they did
        self.lost = 0

    def begin(self, rows: Iterable[Learned]) -> None:
        """What is known from before. A pair that is here already is left as it is."""
        for row in rows:
            if (row.target, row.vantage) not in self._pairs and len(self._pairs) < self._pairs_most:
                pair = _Pair(deque(row.times_s, maxlen=self._ring), dict(row.outcomes), row.at_s)
                self._pairs[row.target, row.vantage] = pair

    def times_s(self, target: str, vantage: str) -> tuple[float, ...]:
        """Oldest first; empty where nothing is known."""
        pair = self._pairs.get((target, vantage))
        return tuple(pair.times_s) if pair is not None else ()

    def add(self, result: Result, at_s: float, vantage: str | None = None) -> None:
        """Takes a result. at_s: since the epoch. vantage: what it is called here, where the result says it otherwise.

        A prober that was late itself (lag) teaches no time.
        """
        key = (result.target, result.vantage if vantage is None else vantage)
        pair = self._pairs.get(key)
        if pair is None:
            if len(self._pairs) >= self._pairs_most:
                self.lost += 1
                return
            pair = self._pairs[key] = _Pair(deque(maxlen=self._ring), {})
        pair.outcomes[result.outcome.value] = pair.outcomes.get(result.outcome.value, 0) + 1
        pair.at_s = at_s
        self._changed[key] = None
        late = not result.loop_lag_s <= _POLICY.lag_limit_s
        if late or result.outcome not in _ANSWERED or not (isfinite(result.elapsed_s) and result.elapsed_s > 0):
            return
        pair.times_s.append(result.elapsed_s)
        pair.unsaved += 1
        if pair.unsaved > self._ring:
            self.lost += 1

    def take(self, most: int) -> list[Learned]:
        """What changed since it was taken last, at most so many pairs, those first that wait longest."""
        found = []
        for key in list(self._changed)[:most]:
            del self._changed[key]
            pair = self._pairs[key]
            pair.unsaved = 0
            found.append(Learned(*key, tuple(pair.times_s), dict(pair.outcomes), pair.at_s))
        return found

    def put_back(self, rows: Iterable[Learned]) -> None:
        """They could not be written: they count as changed again."""
        for row in rows:
            self._changed.setdefault((row.target, row.vantage))
