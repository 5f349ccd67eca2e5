"""Numbers that a detector goes by, and the values that pass between it, the prober and whoever acts on verdicts.

Callers: probes.detector, probes.prober, orchestrator. All times are seconds of one monotonic clock unless the name says
otherwise. Non-goal: deciding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePolicy:
    """How often to look, how long to wait, and how much evidence a verdict takes.

    stable_interval_s is split among the vantages: one of them looks each time. suspect_interval_s: all of them look.
    The soft timeout raises suspicion only; the socket stays open for hard_timeout_s.
    """

    ring_size: int = 64
    stable_interval_s: float = 12.0
    suspect_interval_s: float = 3.0
    jitter: float = 0.1  # share of the stable interval by which it varies, either way
    soft_factor: float = 1.25
    soft_quantile: float = 0.98
    soft_recent: int = 8
    soft_mad_factor: float = 4.0
    soft_min_s: float = 0.3
    soft_max_s: float = 6.0
    soft_initial_s: float = 3.0  # while a vantage has fewer than soft_recent samples
    hard_timeout_s: float = 30.0
    down_rounds: int = 3
    down_vantages: int = 2
    unreachable_after_s: float = 15.0
    silent_probes: int = 3  # that a vantage had no answer to before its silence counts: a spent budget is no evidence
    overrule_rounds: int = 6  # so often in a row a majority was refused: who alone says it is well is not believed
    reporting_initial_s: float = 1.0  # how long orders and reports travel, while that is not known
    lag_limit_s: float = 0.05  # a prober that is late by more distrusts its own times
    distrust_s: float = 5.0
    stall_s: float = 5.0  # nobody polled for so long: what passed meanwhile is no silence of the target's
    ease_from: int = 1_000  # questions that hang at one vantage, from which on it is asked less often: eased_s
    target_budget_per_min: int = 90
    global_budget_per_min: int = 6_000

    def __post_init__(self) -> None:
        positive = {n: getattr(self, n) for n in self.__slots__ if n != "jitter"}
        if bad := [n for n, v in positive.items() if not 0 < v < float("inf")]:
            raise ValueError(f"must be above zero: {', '.join(bad)}")
        if not 0 <= self.jitter < 1 or self.soft_quantile > 1 or self.soft_min_s > self.soft_max_s:
            raise ValueError("jitter within 0 to 1, quantile at most 1, soft_min_s at most soft_max_s")


HEADROOM = 1.5  # of a budget over what is asked while all is well


def for_many(targets: int, interval_s: float) -> ProbePolicy:
    """The usual policy at another pace: so many targets, each asked every interval_s while all is well.

    The global budget grows with them: the usual one would ask 3,000 targets every 30 s whatever the interval. Raises
    ValueError for an interval that is none.
    """
    usual = ProbePolicy(stable_interval_s=interval_s, suspect_interval_s=min(3.0, interval_s))
    wanted = ceil(HEADROOM * targets * 60.0 / interval_s)
    return replace(usual, global_budget_per_min=max(usual.global_budget_per_min, wanted))


EASED_MOST = 8.0  # suspect intervals


def eased_s(hanging: int, policy: ProbePolicy) -> float:
    """How long after its last question a vantage is asked again while so many hang; 0 where that is as always.

    From `ease_from` on twice as long with each more, up to EASED_MOST suspect intervals: three unanswered ones are the
    evidence, the rest only has to notice that the target is back. Thus of a hard timeout of 30 suspect intervals and
    ease_from 4 no more than 8 hang at once.
    """
    if hanging < policy.ease_from:
        return 0.0
    return policy.suspect_interval_s * min(EASED_MOST, 2.0 ** min(10, hanging - policy.ease_from + 1))


@dataclass(frozen=True, slots=True, order=True)
class Vantage:
    """A place from which we look. failure_domain: what it shares with others when it fails (a zone, a cloud)."""

    name: str
    failure_domain: str = ""


class Outcome(StrEnum):
    """What came of one probe.

    ok: it answered and is well. unhealthy: it answered and says it is not (HTTP 5xx). refused: the connection was
    refused or reset. timeout: nothing within the hard timeout. error: we could not even ask (no such name, no route).
    """

    OK = "ok"
    UNHEALTHY = "unhealthy"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    ERROR = "error"


class Send(NamedTuple):  # one is made for each probe, and a Result: a frozen dataclass takes twice as long to make
    """An order to probe now. fresh: on a new connection. sent_s goes back in the Result that answers it."""

    sent_s: float
    target: str
    vantage: str
    fresh: bool = False
    timeout_s: float = 30.0


class Result(NamedTuple):
    """What came of a Send. elapsed_s: until the answer, or until the prober gave up.

    loop_lag_s: how late the prober's own loop was meanwhile; its times are distrusted beyond the policy's limit.
    """

    vantage: str
    target: str
    sent_s: float
    elapsed_s: float
    outcome: Outcome
    loop_lag_s: float = 0.0


class Status(StrEnum):
    """unknown: not seen well yet. suspect: pause promotion. unreachable: nobody gets an answer. down: it is dead."""

    UNKNOWN = "unknown"
    UP = "up"
    SUSPECT = "suspect"
    UNREACHABLE = "unreachable"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A change of what we hold of a target. evidence says why in words, numbers in numbers."""

    target: str
    status: Status
    at_s: float
    evidence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
