"""What a release would have done on a detector's verdicts: promoted, paused, rolled back, and when. Pure.

Callers: the simulator's runs, for every detector alike. A release is promoted once it was watched for watch_s seconds
in which it was not paused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from probes.gate import Act, GatePolicy, ReleaseGate
from probes.policy import Status, Verdict

STOPS = (Status.DOWN, Status.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Judged:
    """promoted_s, rolled_back_s: None where it did not come to that. pauses: (from_s, until_s) of the release."""

    promoted_s: float | None
    rolled_back_s: float | None
    rolled_back_for: tuple[str, ...] = ()
    pauses: tuple[tuple[float, float], ...] = ()


@dataclass(slots=True)
class _Watch:
    watch_s: float
    at_s: float = 0.0
    watched_s: float = 0.0
    paused_since_s: float | None = None
    pauses: list[tuple[float, float]] = field(default_factory=list)

    def advance(self, to_s: float) -> float | None:
        """Moves on; the moment of promotion where it lies before to_s."""
        step_s = max(0.0, to_s - self.at_s)
        if self.paused_since_s is None and step_s > 0:
            if self.watched_s + step_s >= self.watch_s:
                return self.at_s + self.watch_s - self.watched_s
            self.watched_s += step_s
        self.at_s = max(self.at_s, to_s)
        return None

    def pause(self, paused: bool) -> None:
        if paused and self.paused_since_s is None:
            self.paused_since_s = self.at_s
        elif not paused and self.paused_since_s is not None:
            self.pauses.append((self.paused_since_s, self.at_s))
            self.paused_since_s = None


def judge(
    verdicts: Sequence[Verdict], watch_s: float, end_s: float, policy: GatePolicy, site_of: Mapping[str, str]
) -> Judged:
    """The release's way from 0 to its end. Verdicts from before 0 count with the state that they left behind."""
    gate = ReleaseGate(policy, site_of)
    watch = _Watch(watch_s)
    rows = sorted(verdicts, key=lambda v: (v.at_s, v.target))
    index = 0
    while True:
        next_s = rows[index].at_s if index < len(rows) else end_s
        next_s = max(min(next_s, max(gate.next_decision_s, watch.at_s)), 0.0)
        promoted_s = watch.advance(min(next_s, end_s))
        if promoted_s is not None:
            return Judged(promoted_s, None, (), tuple(watch.pauses))
        while index < len(rows) and rows[index].at_s <= next_s:
            gate.on_verdict(rows[index])
            index += 1
        decision = gate.decide(next_s)
        if decision.act is Act.ROLL_BACK:
            watch.pause(False)
            return Judged(None, next_s, decision.targets, tuple(watch.pauses))
        watch.pause(decision.act is Act.PAUSE)
        if next_s >= end_s:
            watch.pause(False)
            return Judged(None, None, (), tuple(watch.pauses))
