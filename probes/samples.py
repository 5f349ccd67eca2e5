"""What one vantage knows of one target: its last response times, and what is still unanswered."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil, isfinite

from probes.policy import Outcome, ProbePolicy, Result, eased_s

MAD_TO_SIGMA = 1.4826  # a normal distribution's sigma over its median absolute deviation
MAX_IN_FLIGHT = 64
MAX_ROUNDS = 64  # refusals kept of a target that stays dead
FRESH_ROUND_TRIPS = 2  # connecting takes one, asking another


def soft_timeout_s(times_s: list[float], policy: ProbePolicy) -> float:
    """1.25 x max(q98, largest of the last 8) + 4 x 1.4826 x MAD, within the policy's bounds (defaults named here).

    times_s: oldest first. The initial value where there are fewer samples than `soft_recent`.
    """
    if len(times_s) < policy.soft_recent:
        return policy.soft_initial_s
    ordered = sorted(times_s)
    quantile = ordered[max(0, ceil(policy.soft_quantile * len(ordered)) - 1)]
    middle = _middle(ordered)
    mad = _middle(sorted([abs(t - middle) for t in ordered]))
    wide = policy.soft_factor * max(quantile, *times_s[-policy.soft_recent :])
    return min(policy.soft_max_s, max(policy.soft_min_s, wide + policy.soft_mad_factor * MAD_TO_SIGMA * mad))


def _middle(ordered: list[float]) -> float:
    """The median of what is sorted already, and not empty."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


@dataclass(slots=True)
class Samples:
    """Response times in seconds, newest last; sends without an answer; failures since the target was last alive."""

    policy: ProbePolicy
    ring: deque[float] = field(init=False)
    in_flight: dict[float, tuple[float, int]] = field(default_factory=dict)  # sent_s -> when it is late, round
    refused: dict[int, float] = field(default_factory=dict)  # round -> sent_s of a probe that was refused in it
    refused_in_a_row: int = 0  # by what this vantage alone saw
    failed: list[float] = field(default_factory=list)  # sent_s of probes that came to nothing, oldest first
    distrusted_until_s: float = float("-inf")
    _soft_s: float | None = None

    def __post_init__(self) -> None:
        self.ring = deque(maxlen=self.policy.ring_size)

    @property
    def soft_s(self) -> float:
        """The soft timeout in force, of a probe on a connection that is open."""
        if self._soft_s is None:
            self._soft_s = soft_timeout_s(list(self.ring), self.policy)
        return self._soft_s

    def learn(self, times_s: Iterable[float]) -> None:
        """Puts response times into the ring that were measured before."""
        self.ring.extend(t for t in times_s if isfinite(t) and t > 0)
        self._soft_s = None

    def sent(self, sent_s: float, round_number: int, *, fresh: bool, reporting_s: float) -> None:
        """Remembers a probe. A prober that never reports does not fill the memory: the oldest is given up.

        fresh: it takes a round trip more than the times in the ring. reporting_s: how long orders and reports travel.
        """
        while len(self.in_flight) >= MAX_IN_FLIGHT:
            del self.in_flight[min(self.in_flight)]
        trips = FRESH_ROUND_TRIPS if fresh else 1
        self.in_flight[sent_s] = (sent_s + min(self.policy.soft_max_s, trips * self.soft_s) + reporting_s, round_number)

    def book(self, result: Result) -> None:
        """Takes an answer into the ring and among the failures; being alive is the caller's to say."""
        _, round_number = self.in_flight.pop(result.sent_s, (0.0, 0))
        trusted = result.loop_lag_s <= self.policy.lag_limit_s
        if not trusted:
            until_s = result.sent_s + result.elapsed_s + self.policy.distrust_s
            self.distrusted_until_s = max(self.distrusted_until_s, until_s)
        # A refusal says nothing about how long an answer takes. A timeout says "at least so long": leaving it out
        # would make the next soft timeout too small.
        if trusted and result.outcome in (Outcome.OK, Outcome.UNHEALTHY, Outcome.TIMEOUT):
            self.ring.append(result.elapsed_s)
            self._soft_s = None
        if result.outcome in (Outcome.REFUSED, Outcome.UNHEALTHY):
            self.refused[round_number] = max(result.sent_s, self.refused.get(round_number, result.sent_s))
            self.refused_in_a_row += 1
            if len(self.refused) > MAX_ROUNDS:
                del self.refused[next(iter(self.refused))]
        elif result.outcome is Outcome.OK:
            self.refused_in_a_row = 0
        if result.outcome is not Outcome.OK and len(self.failed) < MAX_IN_FLIGHT:
            insort(self.failed, result.sent_s)

    def alive(self, at_s: float) -> None:
        """The target was alive at at_s: what was sent until then and failed is no evidence any more."""
        if self.failed:
            del self.failed[: bisect_right(self.failed, at_s)]
        if self.refused:
            self.refused = {r: sent_s for r, sent_s in self.refused.items() if sent_s > at_s}
        overdue_s = at_s - 2 * self.policy.hard_timeout_s  # the prober will not report these any more
        if self.in_flight and min(self.in_flight) < overdue_s:
            for sent_s in [s for s in self.in_flight if s < overdue_s]:
                del self.in_flight[sent_s]

    def failing(self, alive_s: float, now_s: float) -> tuple[float, int] | None:
        """When the first probe after alive_s was sent that failed or is late, and how many did; None: all is well."""
        if not self.in_flight and not self.failed:
            return None
        late = [s for s, (late_s, _) in self.in_flight.items() if s > alive_s and now_s >= late_s]
        if not late and not self.failed:
            return None
        return min([*self.failed[:1], *late]), len(self.failed) + len(late)

    def next_late_s(self, alive_s: float, now_s: float) -> float:
        """When the next probe in flight becomes late; infinity where none will."""
        if not self.in_flight:
            return float("inf")
        return min(
            (late_s for s, (late_s, _) in self.in_flight.items() if s > alive_s and late_s > now_s),
            default=float("inf"),
        )

    def free_at_s(self, now_s: float) -> float:
        """When this vantage may be asked next, for all the questions that hang there; in the past where it may now.

        Those that nobody reports within the hard timeout (an agent went away) hang no more.
        """
        if len(self.in_flight) < self.policy.ease_from:
            return float("-inf")
        hanging = [s for s in self.in_flight if s > now_s - self.policy.hard_timeout_s]
        return max(hanging, default=float("-inf")) + eased_s(len(hanging), self.policy)

    def restart(self, now_s: float) -> None:
        """We ourselves stood still: what is in flight tells nothing, and silence counts from now."""
        self.in_flight.clear()
        self.failed = [now_s] if self.failed else []
