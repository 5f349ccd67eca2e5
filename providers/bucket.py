"""How fast one API of one account may be asked: a token bucket that learns from refusals. No I/O, no waiting.

Callers: providers.calls, which waits; benchmarks, which count.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

GROWTH = 0.05
"""Share of the full rate that one success restores: back at the full rate 10 successes after a halving."""
_OCTAVES = 7
"""Rates are told apart by halvings: full, a half, ... a 64th, the least rate."""
_MEMORY = 40
"""Answers that what is known of one octave is an average of; before there are so many, nothing is."""
_FORGET_S = 30.0
"""An octave that was not used for so long is tried anew: a limit of an hour ago says nothing."""
_AS_GOOD = 0.95
"""A lower rate is preferred where it gets this share of what the best rate gets through. Where refusals come at random,
half the rate gets half: 40 answers each do not mistake that for a limit (three deviations at 30 %)."""


@dataclass(slots=True)
class _Seen:
    """What one octave of rates was answered. answers: at most _MEMORY; through_per_s: what got through, as a moving
    average of the rate where a request succeeded and of 0 where it was refused; at_s: of the last answer."""

    answers: int = 0
    through_per_s: float = 0.0
    at_s: float = 0.0

    def note(self, through_per_s: float, now_s: float) -> None:
        self.answers = min(_MEMORY, self.answers + 1)
        self.through_per_s += (through_per_s - self.through_per_s) / self.answers
        self.at_s = now_s


@dataclass
class TokenBucket:
    """rate_per_s tokens a second up to burst. Throttling halves the rate, each success restores GROWTH of full.

    Additive increase, multiplicative decrease as in TCP congestion avoidance (RFC 5681, 3.1), and once a window only
    (RFC 6582, 1: several losses of one window are one event): after a halving, as many tokens as the burst are used
    before the next. A cloud that refuses at random would else keep the rate near its floor, however slow we are.

    The rate grows no higher than the limit that it learned (`limit_per_s`): where asking twice as fast gets no more
    through, the cloud has a limit below, and the lowest rate that gets as much through is kept to. Refusals that do not
    depend on our rate leave the full rate the best.
    """

    rate_per_s: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    full_rate_per_s: float = field(init=False)
    taken: int = field(init=False, default=0)
    """Tokens that were ever asked for."""
    _given: float = field(init=False)
    _deaf_until: float = field(init=False, default=0.0)
    _at: float = field(init=False)
    _seen: dict[int, _Seen] = field(init=False, default_factory=dict)
    _in_a_row: dict[str, int] = field(init=False, default_factory=dict)
    _served: dict[str, int] = field(init=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.full_rate_per_s, self._given, self._at = self.rate_per_s, self.burst, self.clock()

    # -- tokens ------------------------------------------------------------------------------------------------

    def reserve(self) -> int:
        """Takes one token, on credit if need be; returns its number, to be asked `due_s` with."""
        with self._lock:
            self._accrue()
            self.taken += 1
            return self.taken

    def due_s(self, number: int) -> float:
        """Seconds until that token may be used, at the present rate: who waits asks again, as rates change."""
        with self._lock:
            self._accrue()
            return max(0.0, (number - self._given) / self.rate_per_s)

    def soonest_s(self, number: int) -> float:
        """The same if the full rate came back at once."""
        return self.due_s(number) * self.rate_per_s / self.full_rate_per_s

    def _accrue(self) -> None:
        now = self.clock()
        self._given = min(self.taken + self.burst, self._given + (now - self._at) * self.rate_per_s)
        self._at = now

    # -- learning ----------------------------------------------------------------------------------------------

    def throttled(self, operation: str = "") -> int:
        """How many requests of this operation were refused since one of them last succeeded, this one included."""
        with self._lock:
            self._accrue()
            self._note(0.0)
            row = self._in_a_row[operation] = self._in_a_row.get(operation, 0) + 1
            used = min(self.taken, self._given)  # what is only waited for does not end a window
            if used >= self._deaf_until:
                self._deaf_until = used + self.burst
                self.rate_per_s = max(self._rate_of(_OCTAVES - 1), self.rate_per_s / 2)
            return row

    def succeeded(self, operation: str = "") -> None:
        with self._lock:
            self._served[operation] = self._served.get(operation, 0) + 1
            if self._in_a_row:
                self._in_a_row.pop(operation, None)
            if not self._seen:
                return  # nothing was ever refused
            self._accrue()
            self._note(self.rate_per_s)
            limit_per_s = self._limit_per_s()
            if self.rate_per_s < limit_per_s:
                self.rate_per_s = min(limit_per_s, self.rate_per_s + GROWTH * self.full_rate_per_s)

    def served(self, operation: str = "") -> int:
        """Requests of this operation that ever succeeded, anybody's."""
        with self._lock:
            return self._served.get(operation, 0)

    @property
    def limit_per_s(self) -> float:
        """The rate that ours grows to: the full one, or the least that gets as much through as any."""
        with self._lock:
            self._accrue()
            return self._limit_per_s()

    def _limit_per_s(self) -> float:
        through = [self._through_per_s(octave) for octave in range(_OCTAVES)]
        enough = _AS_GOOD * max(through)
        return self._rate_of(max(octave for octave, got_per_s in enumerate(through) if got_per_s >= enough))

    def _through_per_s(self, octave: int) -> float:
        """All of it for what is not known, so that it is tried."""
        seen = self._seen.get(octave)
        if seen is None or seen.answers < _MEMORY or self._at - seen.at_s > _FORGET_S:
            return self._rate_of(octave)
        return seen.through_per_s

    def _note(self, through_per_s: float) -> None:
        octave = round(math.log2(self.full_rate_per_s / self.rate_per_s))
        seen = self._seen.get(octave)
        if seen is None or self._at - seen.at_s > _FORGET_S:
            seen = self._seen[octave] = _Seen()
        seen.note(through_per_s, self._at)

    def _rate_of(self, octave: int) -> float:
        return self.full_rate_per_s / 2.0**octave
