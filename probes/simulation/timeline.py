"""One simulated release, all detectors side by side, as spans to draw or print. Pure.

Callers: `duoyun probe simulate`. Non-goals: drawing (svg.py), counting many releases (benchmarks).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from probes.gate import GatePolicy
from probes.policy import ProbePolicy, Status, Verdict
from probes.simulation.adaptive import run_link, target_name
from probes.simulation.baselines import BASELINES
from probes.simulation.conditions import Effect, World
from probes.simulation.judge import STOPS, judge
from probes.simulation.network import Crash

OURS = "ours"
Span = tuple[float, float]


@dataclass(slots=True)
class Row:
    """One detector. bad: spans in which at least one service stands condemned; wrong: on services that live."""

    detector: str
    bad: list[Span] = field(default_factory=list)
    wrong_verdicts: int = 0
    promoted_s: float | None = None
    rolled_back_s: float | None = None
    detect_s: float | None = None
    pauses_s: float = 0.0
    probes_per_min: float = 0.0

    @property
    def end(self) -> str:
        """How the release ended, in words."""
        if self.rolled_back_s is not None:
            return f"rolled back at {self.rolled_back_s:.0f} s"
        return f"promoted at {self.promoted_s:.0f} s" if self.promoted_s is not None else "neither, still paused"


@dataclass(slots=True)
class Timeline:
    """trouble: by place, (from_s, until_s, what)."""

    scenario: str
    release: int
    end_s: float
    crash: tuple[str, float, bool] | None
    trouble: dict[str, list[tuple[float, float, str]]]
    rows: list[Row]


def timeline(
    world: World, detectors: Iterable[str], crash: tuple[int, int, Crash] | None = None, watch_s: float | None = None
) -> Timeline:
    """Runs each detector over one release. crash: link, service, when and how. Raises KeyError for unknown names."""
    watch_s = watch_s or world.scenario.watch_s
    rows = [_row(world, name, crash, watch_s) for name in detectors]
    shown = None
    if crash is not None:
        shown = (target_name(crash[0], crash[1]), crash[2].at_s, crash[2].refuses)
    return Timeline(world.scenario.name, world.release, watch_s, shown, _trouble(world, watch_s), rows)


def _row(world: World, name: str, crash: tuple[int, int, Crash] | None, watch_s: float) -> Row:
    links, services = len(world.scenario.links), world.scenario.services_per_link
    end_s = min(world.end_s, watch_s + 300.0)
    verdicts: list[Verdict] = []
    probes = 0
    site_of: dict[str, str] = {}
    crashes = {target_name(crash[0], crash[1]): crash[2]} if crash else {}
    if name == OURS:
        gate = GatePolicy()
        for link in range(links):
            run = run_link(world, link, ProbePolicy(), -60.0, end_s, crashes)
            verdicts += run.verdicts
            probes += run.sends
            site_of |= {target_name(link, s): world.scenario.links[link].name for s in range(services)}
    else:
        baseline = BASELINES[name]
        gate = baseline.gate
        for link in range(links):
            for service in range(services):
                watched = baseline.watch(world, link, service, crashes.get(target_name(link, service)), end_s)
                verdicts += baseline.verdicts(watched, link, service)
                probes += watched.probes
    judged = judge(verdicts, watch_s, end_s, gate, site_of)
    row = Row(name, _bad(verdicts, watch_s), 0, judged.promoted_s, judged.rolled_back_s)
    row.pauses_s = sum(until_s - from_s for from_s, until_s in judged.pauses)
    row.probes_per_min = probes / end_s * 60
    for verdict in verdicts:
        if verdict.status in STOPS and 0 <= verdict.at_s <= watch_s:
            dead = verdict.target in crashes and verdict.at_s >= crashes[verdict.target].at_s
            row.wrong_verdicts += not dead
            if dead and row.detect_s is None:
                row.detect_s = verdict.at_s - crashes[verdict.target].at_s
    return row


def _bad(verdicts: list[Verdict], end_s: float) -> list[Span]:
    """The union over services, cut to the watch."""
    edges: list[tuple[float, int]] = []
    held: dict[str, Status] = {}
    for verdict in sorted(verdicts, key=lambda v: v.at_s):
        was, now = held.get(verdict.target) in STOPS, verdict.status in STOPS
        if was is not now:
            edges.append((verdict.at_s, 1 if now else -1))
        held[verdict.target] = verdict.status
    found: list[Span] = []
    depth, since_s = 0, 0.0
    for at_s, change in [*edges, (float("inf"), -(10**9))]:
        before = depth
        depth = max(0, depth + change)
        if before == 0 and depth > 0:
            since_s = at_s
        elif before > 0 and depth == 0 and at_s > 0 and since_s < end_s:
            found.append((max(0.0, since_s), min(end_s, at_s)))
    return found


def _trouble(world: World, end_s: float) -> dict[str, list[tuple[float, float, str]]]:
    found: dict[str, list[tuple[float, float, str]]] = {}
    for link, row in enumerate(world.scenario.links):
        every = [set(world.paths[link, v].trouble) for v in range(len(world.scenario.vantages))]
        common = set.intersection(*every) if len(every) > 1 else set()
        for vantage, effects in enumerate(every):
            for effect in sorted(effects - common, key=lambda e: e.start_s):
                place = f"{row.name} from {world.scenario.vantages[vantage].name}"
                _add(found, place, effect.start_s, effect.end_s, _what(effect), end_s)
        for effect in sorted(common, key=lambda e: e.start_s):
            _add(found, f"{row.name}, from everywhere", effect.start_s, effect.end_s, _what(effect), end_s)
    for vantage, stalls in enumerate(world.stalls):
        for start_s, stop_s in stalls:
            _add(found, f"prober {world.scenario.vantages[vantage].name}", start_s, stop_s, "stall", end_s)
    return found


def _add(
    found: dict[str, list[tuple[float, float, str]]], place: str, from_s: float, until_s: float, what: str, end_s: float
) -> None:
    if until_s > 0 and from_s < end_s and until_s - from_s > 0:
        found.setdefault(place, []).append((max(0.0, from_s), min(end_s, until_s), what))


def _what(effect: Effect) -> str:
    if effect.survives == 0.0:
        return "blackout"
    if effect.survives < 1.0:
        return "loss"
    return "delay"
