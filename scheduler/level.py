"""Exchanges pods between the nodes of a site so that each service has as many on each node that carries it.

Callers: held. Pure. Nothing else changes: the same pods on the same machines. What carries equally many can be tied by
preferences alone; where a node is to carry three of a service and another one, the scheduler's other scores decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from model.rng import stream
from scheduler.check import NodeLoad
from scheduler.problem import Problem, SiteOffer
from scheduler.run_time import Floats
from scheduler.sizes import node_cap, room, size_of

MOST_ROUNDS = 3


def levelled(
    problem: Problem, offer: SiteOffer, loads: Sequence[NodeLoad], spare: Sequence[int], attempt: int = 0
) -> list[NodeLoad]:
    """The same nodes with their pods exchanged. spare: the room for updates, which the node that has it keeps.

    attempt: 0 takes the most uneven services first, each other number another order.
    """
    site = _Site(problem, offer, loads, spare)
    for turn in range(MOST_ROUNDS):
        names = site.uneven()
        if attempt:
            stream(attempt, "levelled", offer.id, turn).shuffle(names)
        improved = [site.improve(name) for name in names]
        if not any(improved):
            break
    return [
        NodeLoad(site=load.site, instance_type=load.instance_type, pods={n: c for n, c in sorted(pods.items()) if c})
        for load, pods in zip(loads, site.pods, strict=True)
    ]


class _Site:
    def __init__(self, problem: Problem, offer: SiteOffer, loads: Sequence[NodeLoad], spare: Sequence[int]) -> None:
        offers = {t.name: t for t in offer.types}
        self.pods = [dict(load.pods) for load in loads]
        names = sorted({name for pods in self.pods for name in pods})
        services = {name: problem.service_by_name[name] for name in names}
        self.size: dict[str, Floats] = {name: np.array(size_of(s), float) for name, s in services.items()}
        self.cap = {name: node_cap(problem, s) for name, s in services.items()}
        tied = {r.service for s in problem.services for r in s.apart} | {s.name for s in problem.services if s.apart}
        self.still = {name for name in names if name in tied or services[name].max_spot_share > 0}
        self.free = np.array([room(problem, offers[load.instance_type]) for load in loads], float)
        for node, pods in enumerate(self.pods):
            for name, count in pods.items():
                self.free[node] -= self.size[name] * count
        keeps = np.flatnonzero((self.free >= np.array(spare)).all(axis=1))
        if len(keeps):
            self.free[keeps[0]] -= np.array(spare, float)

    def counts(self, name: str) -> list[int]:
        return [pods[name] for pods in self.pods if pods.get(name)]

    def uneven(self) -> list[str]:
        """Services with unequal counts, the most unequal first."""
        rows = [(-_unevenness(self.counts(name)), name) for name in self.size if name not in self.still]
        return [name for worst, name in sorted(rows) if worst < 0]

    def improve(self, name: str) -> bool:
        """Exchanges while it makes the counts more equal; whether it did."""
        done = False
        while any(self._exchange(name, src, dst) for src, dst in self._ways(name)):
            done = True
        return done

    def _ways(self, name: str) -> Iterator[tuple[int, int]]:
        """From the nodes with most of it (or the last one) to the others, first those that carry it."""
        on = [node for node, pods in enumerate(self.pods) if pods.get(name)]
        every = [node for node, pods in enumerate(self.pods) if pods]
        for src in sorted(on, key=lambda node: (-self.pods[node][name], node)):
            for dst in sorted(every, key=lambda node: (node not in on, self.pods[node].get(name, 0), node)):
                if src != dst and self.pods[dst].get(name, 0) < self.cap[name]:
                    yield src, dst

    def _exchange(self, name: str, src: int, dst: int) -> bool:
        """One pod of it from src to dst, for one of another service if need be."""
        gain = self._gain(name, src, dst)
        if gain <= 0:
            return False
        mine = self.size[name]
        if (self.free[dst] >= mine).all():
            self._move(name, src, dst)
            return True
        for other in sorted(self.pods[dst]):
            if other == name or other in self.still or not self.pods[dst][other]:
                continue
            theirs = self.size[other]
            fits = (self.free[dst] + theirs >= mine).all() and (self.free[src] + mine >= theirs).all()
            if fits and self.pods[src].get(other, 0) < self.cap[other] and gain + self._gain(other, dst, src) > 1e-9:
                self._move(name, src, dst)
                self._move(other, dst, src)
                return True
        return False

    def _gain(self, name: str, src: int, dst: int) -> float:
        before = self.counts(name)
        after = [
            pods.get(name, 0) + (1 if node == dst else -1 if node == src else 0) for node, pods in enumerate(self.pods)
        ]
        return _unevenness(before) - _unevenness([count for count in after if count])

    def _move(self, name: str, src: int, dst: int) -> None:
        self.pods[src][name] -= 1
        self.pods[dst][name] = self.pods[dst].get(name, 0) + 1
        if not self.pods[src][name]:
            del self.pods[src][name]
        self.free[src] += self.size[name]
        self.free[dst] -= self.size[name]


def _unevenness(counts: Sequence[int]) -> float:
    """Sum of squared differences from the mean of the nodes that carry any."""
    return sum(c * c for c in counts) - sum(counts) ** 2 / len(counts) if counts else 0.0
