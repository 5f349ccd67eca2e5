"""SWIM with Lifeguard's extensions, as HashiCorp's memberlist has it in its WAN profile, seen from our vantages.

Sources: Das, Gupta, Motivala, SWIM (DSN 2002); Dadgar, Phillips, Currey, Lifeguard (2017); memberlist's
DefaultWANConfig: probe every 5 s, 3 s to answer, suspicion multiplier 6, at most 6 times that, awareness up to 8.
Each member asks one other in a period; here the vantages take turns on each service, one a period, and the cluster
counts 30 members (the services and the vantages). A suspicion's time shrinks as other vantages confirm it, and any
answer refutes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, log10

from probes.simulation.conditions import World
from probes.simulation.network import NEVER, Crash, Network
from probes.simulation.watched import Watched

PERIOD_S = 5.0
TIMEOUT_S = 3.0
MEMBERS = 30
SUSPICION_MULTIPLIER = 6
SUSPICION_MAX = 6
AWARENESS_MAX = 8


@dataclass(slots=True)
class _Suspicion:
    since_s: float
    by: set[int] = field(default_factory=set)

    def dead_at_s(self, confirmations_wanted: int) -> float:
        """Lifeguard: from the longest to the shortest time as independent members agree."""
        least_s = SUSPICION_MULTIPLIER * max(1.0, log10(MEMBERS)) * PERIOD_S
        most_s = SUSPICION_MAX * least_s
        share = 1.0
        if confirmations_wanted > 0:
            share = min(1.0, log(len(self.by)) / log(confirmations_wanted + 1))
        return self.since_s + max(least_s, most_s - share * (most_s - least_s))


def swim_lifeguard(
    world: World, link: int, service: int, crash: Crash | None, from_s: float, until_s: float
) -> Watched:
    """One service's changes of opinion; failing means declared dead."""
    rng = world.rng("swim", link, service)
    network, found, vantages = Network(world, rng), Watched(), len(world.scenario.vantages)
    health = [0] * vantages
    suspicion: _Suspicion | None = None
    dead, turn, at_s = False, rng.randrange(vantages), from_s + PERIOD_S * rng.random()
    while at_s < until_s:
        prober = turn % vantages
        start_s = world.awake_s(prober, at_s)
        timeout_s = TIMEOUT_S * (health[prober] + 1)
        answered_s, probes = _ask(world, network, link, prober, crash, start_s, timeout_s)
        found.probes += probes if at_s >= 0 else 0
        judged_s = start_s + max(PERIOD_S, timeout_s) if answered_s is None else answered_s
        if suspicion is not None and not dead and suspicion.dead_at_s(vantages - 1) <= judged_s:
            dead = True
            found.changes.append((max(suspicion.dead_at_s(vantages - 1), suspicion.since_s), True))
        if answered_s is None:
            health[prober] = min(AWARENESS_MAX, health[prober] + 1)
            suspicion = suspicion or _Suspicion(judged_s)
            suspicion.by.add(prober)
        else:
            health[prober] = max(0, health[prober] - 1)
            if dead:
                found.changes.append((judged_s, False))
            suspicion, dead = None, False
        turn += 1
        at_s += PERIOD_S
    return found


def _ask(
    world: World, network: Network, link: int, prober: int, crash: Crash | None, at_s: float, timeout_s: float
) -> tuple[float | None, int]:
    """When an answer came, directly or by the other vantages; None where none did. And how many probes it took."""
    elapsed_s = network.datagram(world.paths[link, prober], at_s, crash)
    read_s = world.awake_s(prober, at_s + elapsed_s) if elapsed_s != NEVER else NEVER
    if read_s - at_s <= timeout_s:
        return read_s, 1
    answers = []
    others = [v for v in range(len(world.scenario.vantages)) if v != prober]
    for other in others:
        between = max(prober, other)  # the first vantage's distances stand for those between the others
        asked_s = at_s + timeout_s + network.peer_delay_s(between, at_s + timeout_s)
        if asked_s == NEVER:
            continue
        elapsed_s = network.datagram(world.paths[link, other], asked_s, crash)
        if elapsed_s <= timeout_s:
            answers.append(asked_s + elapsed_s + network.peer_delay_s(between, asked_s + elapsed_s))
    came_s = min(answers, default=NEVER)
    return (came_s if came_s != NEVER else None), 1 + len(others)
