"""From verdicts to what a release does: go on, wait, or roll back. Pure: the time comes in as a value.

Callers: the orchestrator's release gate, and the simulator that judges detectors by what a release would have done.
DOWN rolls back at once. UNREACHABLE pauses, and rolls back when it lasted. Where every service of a site fell silent at
about the same moment the site or its network is the likelier cause than the release of one service, and rolling
back over a link that is gone would not work either: the pause goes on for longer. So it does where half of everything
fell silent at once: then it is our own network. Non-goal: carrying the decision out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from probes.policy import Status, Verdict

_NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """unreachable_hold_s: from the verdict to the roll-back. site_hold_s: instead of it, while a whole site is silent.

    together_s: verdicts so close to one another are one event. regroup_s: what the other services of a site get when
    the first of them answers again, before their silence counts as their own. site_min_targets: fewer services than
    that are no evidence about a site; fleet_min_sites: fewer sites are none about our own network.
    """

    unreachable_hold_s: float = 60.0
    site_hold_s: float = 240.0
    together_s: float = 30.0
    regroup_s: float = 20.0
    site_min_targets: int = 2
    fleet_min_sites: int = 4


class Act(StrEnum):
    """What a release does now."""

    GO_ON = "go_on"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class Decision:
    """act, the targets because of which, and why in words."""

    act: Act
    targets: tuple[str, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class _Held:
    status: Status = Status.UNKNOWN
    since_s: float = 0.0
    not_before_s: float = 0.0  # no roll-back before: a sibling of this silent target answered a moment ago
    evidence: str = ""


@dataclass(slots=True)
class ReleaseGate:
    """Feed it every verdict, ask `decide` when a verdict came and at `next_decision_s`.

    site_of: the site of each target. Targets without a site stand alone.
    """

    policy: GatePolicy = field(default_factory=GatePolicy)
    site_of: Mapping[str, str] = field(default_factory=dict)
    _held: dict[str, _Held] = field(default_factory=dict)
    _members: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for target, site in sorted(self.site_of.items()):
            self._members.setdefault(site, []).append(target)

    def on_verdict(self, verdict: Verdict) -> None:
        """Takes a verdict; a target that answers again gives its silent neighbours a moment to do the same."""
        held = self._held.setdefault(verdict.target, _Held())
        before = held.status
        held.status, held.since_s, held.evidence = verdict.status, verdict.at_s, verdict.evidence
        if before is Status.UNREACHABLE and verdict.status is not Status.UNREACHABLE:
            for name in self._members.get(self.site_of.get(verdict.target, ""), ()):
                if name in self._held:
                    self._held[name].not_before_s = verdict.at_s + self.policy.regroup_s

    def decide(self, now_s: float) -> Decision:
        """The decision at now_s, from the verdicts so far."""
        down = [n for n, h in sorted(self._held.items()) if h.status is Status.DOWN]
        if down:
            return Decision(Act.ROLL_BACK, tuple(down), self._held[down[0]].evidence)
        silent = [n for n, h in sorted(self._held.items()) if h.status is Status.UNREACHABLE]
        if not silent:
            return Decision(Act.GO_ON)
        due = [n for n in silent if now_s >= self._acts_at_s(n)]
        if due:
            lasted_s = now_s - self._held[due[0]].since_s
            return Decision(Act.ROLL_BACK, tuple(due), f"unreachable for {lasted_s:.0f} s")
        if self._fleet_is_silent():
            why = f"{len(silent)} of {len(self._held)} services fell silent together: our own network"
        elif sites := sorted({self.site_of[n] for n in silent if self._site_is_silent(n)}):
            why = f"nothing in {', '.join(sites)} answers: its network, not one service"
        else:
            why = "no answer, waiting"
        return Decision(Act.PAUSE, tuple(silent), why)

    @property
    def next_decision_s(self) -> float:
        """When `decide` may say something else although no verdict comes; infinity where nothing is silent."""
        silent = (n for n, h in self._held.items() if h.status is Status.UNREACHABLE)
        return min((self._acts_at_s(n) for n in silent), default=_NEVER)

    def _acts_at_s(self, target: str) -> float:
        held = self._held[target]
        wider = self._site_is_silent(target) or self._fleet_is_silent()
        hold_s = self.policy.site_hold_s if wider else self.policy.unreachable_hold_s
        longest_s = max(hold_s, self.policy.site_hold_s)  # a flapping neighbour postpones no further
        return min(max(held.since_s + hold_s, held.not_before_s), held.since_s + longest_s)

    def _site_is_silent(self, target: str) -> bool:
        members = self._members.get(self.site_of.get(target, ""), [])
        if len(members) < self.policy.site_min_targets:
            return False
        since = self._silent_since(members)
        return len(since) == len(members) and max(since) - min(since) <= self.policy.together_s

    def _fleet_is_silent(self) -> bool:
        """Half of all services or more, at several sites, since about the same moment."""
        if len({self.site_of.get(n, n) for n in self._held}) < self.policy.fleet_min_sites:
            return False
        since = self._silent_since(self._held)
        return 2 * len(since) >= len(self._held) and max(since) - min(since) <= self.policy.together_s

    def _silent_since(self, targets: Iterable[str]) -> list[float]:
        held = (self._held.get(n) for n in targets)
        return [h.since_s for h in held if h is not None and h.status is Status.UNREACHABLE]
