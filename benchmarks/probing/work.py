"""Releases and crashes simulated in bulk, as pieces of work for processes. The piece decides its own randomness.

Ours is run only where it could come to a verdict that stops a release (probes.simulation.adaptive.windows); what it
costs, and that nothing happens elsewhere, is counted on releases that are run whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from benchmarks.probing.tally import KINDS, Tally
from probes.gate import GatePolicy
from probes.policy import ProbePolicy, Verdict
from probes.simulation.adaptive import SETTLE_S, run_link, target_name, windows
from probes.simulation.baselines import BASELINES
from probes.simulation.conditions import Weather, World
from probes.simulation.judge import STOPS, Judged, judge
from probes.simulation.network import Crash
from probes.simulation.scenario import Scenario, parse

OURS = "ours"
SAME_RUN = {"phi_hold20": "phi_akka"}  # their opinions are the same, what is done on them differs
CRASH_RELEASES_FROM = 10_000_000  # numbers of releases with a crash: other weather than the healthy ones'
HOLD_EXTRA_S = 240.0
CRASH_FIRST_LOOK_S = 150.0
CRASH_LAST_LOOK_S = 400.0


@dataclass(frozen=True, slots=True)
class Piece:
    """detectors: run on the same releases. what: healthy, whole (ours without leaving anything out) or crash."""

    scenario_json: str
    seed: int
    what: str
    detectors: tuple[str, ...]
    first: int
    count: int


@lru_cache(maxsize=4)
def _weather(scenario_json: str, seed: int) -> Weather:
    return Weather(parse(scenario_json), seed)


def do(piece: Piece) -> dict[str, Tally]:
    """Counts of one piece, by detector."""
    weather = _weather(piece.scenario_json, piece.seed)
    found = {name: Tally() for name in piece.detectors}
    for release in range(piece.first, piece.first + piece.count):
        if piece.what == "crash":
            _crash(weather.world(CRASH_RELEASES_FROM + release), KINDS[release % 2], found)
            continue
        world = weather.world(release)
        if piece.what == "whole":
            _ours_whole(world, found[OURS])
        elif OURS in found:
            _ours_healthy(world, found[OURS])
        _baselines_healthy(world, {n: t for n, t in found.items() if n != OURS})
    return found


def sites(scenario: Scenario) -> dict[str, str]:
    """The site of each target."""
    return {
        target_name(link, service): row.name
        for link, row in enumerate(scenario.links)
        for service in range(scenario.services_per_link)
    }


def _count(tally: Tally, world: World, judged: Judged, verdicts: list[Verdict]) -> None:
    scenario = world.scenario
    tally.releases += 1
    tally.successes += judged.promoted_s is not None
    tally.pauses_s += [until_s - from_s for from_s, until_s in judged.pauses]
    tally.mistakes += sum(v.status in STOPS and 0 <= v.at_s < scenario.watch_s for v in verdicts)
    tally.watched_s += scenario.watch_s * len(scenario.links) * scenario.services_per_link


def ours_verdicts(world: World, policy: ProbePolicy) -> tuple[list[Verdict], Judged]:
    """Ours on a healthy release: windows are run as the release lasts longer because of its pauses."""
    watch_s, gate, site_of = world.scenario.watch_s, GatePolicy(), sites(world.scenario)
    todo = [
        (max(from_s, -world.scenario.warmup_s), until_s, link)
        for link in range(len(world.scenario.links))
        for from_s, until_s in windows(world, link, -SETTLE_S)
    ]
    verdicts: list[Verdict] = []
    end_s = watch_s
    while True:
        now = [row for row in todo if row[0] < end_s]
        todo = [row for row in todo if row[0] >= end_s]
        for from_s, until_s, link in now:
            verdicts += run_link(world, link, policy, from_s, world.end_s, settle_after_s=until_s).verdicts
        judged = judge(verdicts, watch_s, world.end_s, gate, site_of)
        if not now or judged.promoted_s is None:
            return verdicts, judged
        end_s = judged.promoted_s


def _ours_healthy(world: World, tally: Tally) -> None:
    verdicts, judged = ours_verdicts(world, ProbePolicy())
    _count(tally, world, judged, verdicts)


def _ours_whole(world: World, tally: Tally) -> None:
    """The whole watch of every site; releases are counted elsewhere. Verdicts outside the windows are mistakes here."""
    watch_s = world.scenario.watch_s
    for link in range(len(world.scenario.links)):
        run = run_link(world, link, ProbePolicy(), -60.0, watch_s)
        tally.probes += run.sends
        inside = windows(world, link, -SETTLE_S)
        tally.mistakes += sum(
            v.status in STOPS and not any(a <= v.at_s <= b + 60 for a, b in inside) for v in run.verdicts
        )
    tally.probes_s += watch_s


def _baselines_healthy(world: World, tallies: dict[str, Tally]) -> None:
    scenario = world.scenario
    for name in tallies:
        baseline = BASELINES[name]
        if SAME_RUN.get(name) in tallies:
            continue
        end_s = scenario.watch_s + HOLD_EXTRA_S * any(
            BASELINES[n].hold_s > 0 for n in tallies if n == name or SAME_RUN.get(n) == name
        )
        followers = [n for n in tallies if SAME_RUN.get(n) == name]
        verdicts: dict[str, list[Verdict]] = {n: [] for n in (name, *followers)}
        probes = 0
        for link in range(len(scenario.links)):
            for service in range(scenario.services_per_link):
                watched = baseline.watch(world, link, service, None, end_s)
                probes += watched.probes
                for other, rows in verdicts.items():
                    rows.extend(BASELINES[other].verdicts(watched, link, service))
        for other, rows in verdicts.items():
            judged = judge(rows, scenario.watch_s, end_s + 1.0, BASELINES[other].gate, {})
            _count(tallies[other], world, judged, rows)
            tallies[other].probes += probes
            tallies[other].probes_s += end_s


def _crash(world: World, kind: str, tallies: dict[str, Tally]) -> None:
    scenario = world.scenario
    rng = world.rng("crash")
    crash = Crash(rng.random() * scenario.watch_s, kind == "refused")
    link, service = rng.randrange(len(scenario.links)), rng.randrange(scenario.services_per_link)
    name = target_name(link, service)
    for detector, tally in tallies.items():
        tally.crashes += 1
        if detector == OURS:
            found = _ours_crash(world, link, name, crash)
        else:
            baseline = BASELINES[detector]
            watched = baseline.watch(world, link, service, crash, crash.at_s + CRASH_LAST_LOOK_S)
            found = _found(baseline.verdicts(watched, link, service), name, crash, baseline.gate, {})
        if found is None:
            tally.excluded += 1
            continue
        tally.detect_s[kind].append(found[0])
        tally.act_s[kind].append(found[1])


def _ours_crash(world: World, link: int, name: str, crash: Crash) -> tuple[float | None, float | None] | None:
    from_s = max(-world.scenario.warmup_s, crash.at_s - 60.0)
    found: tuple[float | None, float | None] | None = None
    for look_s in (CRASH_FIRST_LOOK_S, CRASH_LAST_LOOK_S):
        run = run_link(world, link, ProbePolicy(), from_s, crash.at_s + look_s, {name: crash})
        found = _found(run.verdicts, name, crash, GatePolicy(), sites(world.scenario))
        if found is None or found[1] is not None:
            break
    return found


def _found(
    verdicts: list[Verdict], name: str, crash: Crash, gate: GatePolicy, site_of: dict[str, str]
) -> tuple[float | None, float | None] | None:
    """Seconds from the crash to the first verdict that stops promotion, and to the roll-back.

    None where the service stood condemned before its crash.
    """
    before = [v for v in verdicts if v.target == name and v.at_s < crash.at_s]
    judged = judge(verdicts, 1e9, crash.at_s + CRASH_LAST_LOOK_S, gate, site_of)
    early = judged.rolled_back_s is not None and judged.rolled_back_s < crash.at_s
    if early or (before and before[-1].status in STOPS):
        return None
    after = [v.at_s for v in verdicts if v.target == name and v.at_s >= crash.at_s and v.status in STOPS]
    detect_s = after[0] - crash.at_s if after else None
    act_s = judged.rolled_back_s - crash.at_s if judged.rolled_back_s is not None else None
    return detect_s, act_s
