"""Runs the production detector in a simulated world: its sends go over simulated paths, its clock is simulated.

The detector sits at the first vantage; orders to the others and their reports travel as messages that take time and get
lost. Callers: the benchmark, `duoyun probe simulate`. Non-goals: judging (judge.py).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from probes.detector import Detector
from probes.policy import Outcome, ProbePolicy, Result, Send, Status, Vantage, Verdict
from probes.simulation.conditions import World
from probes.simulation.network import NEVER, Crash, Network

SETTLE_S = 40.0  # a run begins so long before what it is about
AFTER_S = 45.0  # what a trouble leaves behind: packets that are sent again late
HOST_STALL_S = 4.0  # shorter stalls of the detector's own host delay, longer ones make it distrust its clock


@dataclass(slots=True)
class LinkRun:
    """What came of watching one site: verdicts in order of time, probes sent from 0 s on, the time watched."""

    verdicts: list[Verdict]
    sends: int
    from_s: float
    until_s: float


def target_name(link: int, service: int) -> str:
    """How a service of a site is called in verdicts."""
    return f"link{link}/service{service}"


@dataclass(slots=True)
class _Wire:
    """Carries out sends: what the detector will hear, and when."""

    world: World
    link: int
    network: Network
    crashes: Mapping[str, Crash]
    vantage_index: Mapping[str, int]
    busy_until_s: dict[tuple[str, int], float] = field(default_factory=dict)

    def answer(self, send: Send) -> tuple[float, Result] | None:
        """When which result reaches the detector; None where the order or the report got lost."""
        vantage = self.vantage_index[send.vantage]
        ordered_s = send.sent_s + self.network.peer_delay_s(vantage, send.sent_s)
        if ordered_s == NEVER:
            return None
        start_s = self.world.awake_s(vantage, ordered_s)
        path = self.world.paths[self.link, vantage]
        crash = self.crashes.get(send.target)
        key = (send.target, vantage)
        if send.fresh or self.busy_until_s.get(key, start_s) > start_s:
            seen, _ = self.network.fresh(path, start_s, crash, send.timeout_s)
        else:
            seen = self.network.keep_alive(path, start_s, crash, send.timeout_s)
        answered_s = start_s + min(seen.elapsed_s, send.timeout_s)
        if not send.fresh:
            self.busy_until_s[key] = answered_s
        read_s = self.world.awake_s(vantage, answered_s)
        elapsed_s = read_s - start_s
        timed_out = seen.elapsed_s >= send.timeout_s
        outcome = Outcome.TIMEOUT if timed_out else Outcome.REFUSED if seen.refused else Outcome.OK
        lag_s = self.world.lag_s(vantage, ordered_s, read_s)
        result = Result(send.vantage, send.target, send.sent_s, elapsed_s, outcome, lag_s)
        arrives_s = read_s + self.network.peer_delay_s(vantage, read_s)
        return None if arrives_s == NEVER else (arrives_s, result)


def run_link(
    world: World,
    link: int,
    policy: ProbePolicy,
    from_s: float,
    until_s: float,
    crashes: Mapping[str, Crash] | None = None,
    settle_after_s: float | None = None,
) -> LinkRun:
    """Watches the services of one site until until_s, having learned their response times before.

    Each is watched from a moment of its own within the stable interval before from_s, so that no probe stands in step
    with what happens, nor with its neighbours'. settle_after_s: from then on the run ends once every service is up.
    """
    scenario = world.scenario
    names = [v.name for v in scenario.vantages]
    network = Network(world, world.rng("ours", link, round(from_s * 1000)))
    wire = _Wire(world, link, network, crashes or {}, {n: i for i, n in enumerate(names)})
    detector = Detector(policy, [Vantage(n, n) for n in names], seed=f"{world.seed}/{world.release}/{link}")
    targets = [target_name(link, s) for s in range(scenario.services_per_link)]
    phases = world.rng("phases", link, round(from_s * 1000))
    starts = sorted((from_s - policy.stable_interval_s * phases.random(), target) for target in targets)

    def begin(target: str, at_s: float) -> None:
        detector.watch(target, at_s)
        _learn(detector, network, world, link, target, names, policy, at_s)

    return _run(detector, wire, world, begin, starts, until_s, settle_after_s)


def _learn(
    detector: Detector,
    network: Network,
    world: World,
    link: int,
    target: str,
    names: list[str],
    policy: ProbePolicy,
    from_s: float,
) -> None:
    """The warm-up: what the detector measured since its beginning, as often as it asks while all is well."""
    step_s = policy.stable_interval_s * len(names)
    for vantage, name in enumerate(names):
        times, at_s = [], max(-world.scenario.warmup_s, from_s - step_s * policy.ring_size)
        while at_s < from_s - step_s:
            seen = network.keep_alive(world.paths[link, vantage], at_s, None, policy.hard_timeout_s)
            times.append(min(seen.elapsed_s, policy.hard_timeout_s))
            at_s += step_s
        detector.learn(target, name, times)


def _run(
    detector: Detector,
    wire: _Wire,
    world: World,
    begin: Callable[[str, float], None],
    starts: list[tuple[float, str]],
    until_s: float,
    settle_after_s: float | None,
) -> LinkRun:
    targets, from_s, todo = [name for _, name in starts], starts[0][0], deque(starts)
    verdicts: list[Verdict] = []
    waiting: list[tuple[float, int, Result]] = []
    sends, sends_watched, now_s = 0, 0, world.awake_s(0, from_s)
    while now_s < until_s:
        while todo and todo[0][0] <= now_s:
            begin(todo.popleft()[1], now_s)
        for order in detector.poll(now_s):
            if isinstance(order, Verdict):
                verdicts.append(order)
                continue
            sends += 1
            sends_watched += now_s >= 0
            answer = wire.answer(order)
            if answer is not None:
                heapq.heappush(waiting, (answer[0], sends, answer[1]))
        settled = settle_after_s is not None and now_s >= settle_after_s and not todo
        if settled and all(detector.status(t) is Status.UP for t in targets):
            break
        next_s = min(waiting[0][0] if waiting else NEVER, todo[0][0] if todo else NEVER, detector.next_wake_s)
        now_s = world.awake_s(0, max(now_s, next_s))
        while waiting and waiting[0][0] <= now_s:
            detector.on_result(heapq.heappop(waiting)[2])
    return LinkRun(verdicts, sends_watched, from_s, min(now_s, until_s))


def windows(world: World, link: int, after_s: float) -> list[tuple[float, float]]:
    """The times from after_s on in which the detector could come to a verdict that stops a release.

    UNREACHABLE takes seconds of silence at a majority of vantages. Where at any moment most paths have no trouble, it
    would take five probes in a row on a path that loses one round trip in a thousand; those times are left out.
    """
    vantages = len(world.scenario.vantages)
    edges: list[tuple[float, int, int]] = []
    for vantage in range(vantages):
        spans = [(e.start_s, e.end_s) for e in world.paths[link, vantage].trouble]
        spans += world.stalls[vantage]
        if vantage:
            spans += [(e.start_s, e.end_s) for e in (*world.uplinks[0], *world.uplinks[vantage])]
            spans += [s for s in world.stalls[0] if s[1] - s[0] > HOST_STALL_S]
        for start_s, end_s in spans:
            edges += [(start_s, 1, vantage), (end_s + AFTER_S, -1, vantage)]
    majority, active = vantages // 2 + 1, [0] * vantages
    found: list[tuple[float, float]] = []
    begun_s: float | None = None
    for at_s, change, vantage in sorted(edges):
        active[vantage] += change
        bad = sum(a > 0 for a in active)
        if bad >= majority and begun_s is None:
            begun_s = at_s
        elif bad < majority and begun_s is not None:
            if at_s > after_s:
                _join(found, begun_s - SETTLE_S, at_s)
            begun_s = None
    return found


def _join(found: list[tuple[float, float]], from_s: float, until_s: float) -> None:
    if found and from_s <= found[-1][1]:
        found[-1] = (found[-1][0], until_s)
    else:
        found.append((from_s, until_s))
