"""Exchanges pods between the nodes of a site so that each service has as many on each node that carries it.

Callers: held. Pure. Nothing else changes: the same pods on the same machines. What carries equally many can be tied by
preferences alone; where a node is to carry three of a service and another one, the scheduler's other scores decide.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.rng import stream
from scheduler.grid import Floats, Ints
from scheduler.problem import NodeLoad, Problem, SiteOffer
from scheduler.sizes import DIMENSIONS, node_cap, room, size_of

MOST_ROUNDS = 3
WORTH = 1e-9


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
        NodeLoad(
            site=load.site,
            instance_type=load.instance_type,
            pods={site.names[i]: int(row[i]) for i in np.flatnonzero(row).tolist()},
        )
        for load, row in zip(loads, site.on, strict=True)
    ]


class _Site:
    """on: nodes x services (by name), how many pods."""

    def __init__(self, problem: Problem, offer: SiteOffer, loads: Sequence[NodeLoad], spare: Sequence[int]) -> None:
        offers = {t.name: t for t in offer.types}
        self.names = sorted({name for load in loads for name in load.pods})
        self.place = {name: i for i, name in enumerate(self.names)}
        services = [problem.service_by_name[name] for name in self.names]
        tied = {r.service for s in problem.services for r in s.apart} | {s.name for s in problem.services if s.apart}
        self.moves = np.array([s.name not in tied and s.max_spot_share <= 0 for s in services], bool)
        self.cap = np.array([node_cap(problem, s) for s in services], np.int64)
        self.on = np.zeros((len(loads), len(services)), np.int64)
        for node, load in enumerate(loads):
            for name, count in load.pods.items():
                self.on[node, self.place[name]] = count
        sizes = np.array([size_of(s) for s in services], float).reshape(len(services), DIMENSIONS)
        free = np.array([room(problem, offers[load.instance_type]) for load in loads], float) - self.on @ sizes
        keeps = np.flatnonzero((free >= np.array(spare)).all(axis=1))
        if len(keeps):  # an empty one may be the pool's spare node, where no room for updates counts
            free[keeps[np.argmax(self.on[keeps].any(axis=1))]] -= np.array(spare, float)
        asked = sizes.any(axis=0)
        self.size, self.free = sizes[:, asked], free[:, asked]
        self.sums = _Sums(self.on)
        self.others = [np.flatnonzero((row > 0) & self.moves) for row in self.on]  # what may leave each node

    def uneven(self) -> list[str]:
        """Services with unequal counts, the most unequal first."""
        worst = self.sums.unevenness()
        rows = [(-float(worst[i]), name) for i, name in enumerate(self.names) if self.moves[i]]
        return [name for worst, name in sorted(rows) if worst < 0]

    def improve(self, name: str) -> bool:
        """Exchanges while it makes the counts more equal; whether it did."""
        done = False
        while self._exchange(self.place[name]):
            done = True
        return done

    def _exchange(self, mine: int) -> bool:
        """One pod of it to another node, for one of another service if need be: from the nodes with most of it (or
        the last one) to the others, first those that carry it."""
        count = self.on[:, mine]
        nodes = np.arange(len(count))
        targets = np.lexsort((nodes, count, count == 0))
        targets = targets[(self.on.sum(axis=1) > 0)[targets] & (count[targets] < self.cap[mine])]
        sources = np.lexsort((nodes, -count))[: int(np.count_nonzero(count))]
        for src in sources.tolist():
            gain = self.sums.gain(mine, count[src], count[targets])
            better = np.asarray((gain > 0) & (targets != src))
            if better.any() and self._from(mine, src, targets[better], gain[better]):
                return True
        return False

    def _from(self, mine: int, src: int, targets: Ints, gain: Floats) -> bool:
        """To the first of these nodes that takes it."""
        size = self.size[mine]
        direct = np.flatnonzero((self.free[targets] >= size).all(axis=1))
        first = int(direct[0]) if len(direct) else len(targets)
        candidates = [self.others[node] for node in targets[:first].tolist()]  # for nodes that need one in return
        at = np.repeat(np.arange(first), [len(c) for c in candidates])
        if len(at):
            other = np.concatenate(candidates)
            back, there = self.on[src, other], self.on[targets[at], other]
            able = (gain[at] + self.sums.gain(other, there, back) > WORTH) & (back < self.cap[other]) & (other != mine)
            at, other = at[able], other[able]
            theirs = self.size[other]
            fits = (self.free[targets[at]] + theirs >= size).all(axis=1)
            fits &= (self.free[src] + size >= theirs).all(axis=1)
            found = np.flatnonzero(fits)
            if len(found):
                dst = int(targets[at[found[0]]])
                self._move(mine, src, dst)
                self._move(int(other[found[0]]), dst, src)
                return True
        if first == len(targets):
            return False
        self._move(mine, src, int(targets[first]))
        return True

    def _move(self, service: int, src: int, dst: int) -> None:
        self.sums.move(service, int(self.on[src, service]), int(self.on[dst, service]))
        self.on[src, service] -= 1
        self.on[dst, service] += 1
        self.free[src] += self.size[service]
        self.free[dst] -= self.size[service]
        for node in (src, dst):
            self.others[node] = np.flatnonzero((self.on[node] > 0) & self.moves)


class _Sums:
    """Per service: pods, their squares summed over nodes, and nodes that carry any."""

    def __init__(self, on: Ints) -> None:
        self.pods = on.sum(axis=0).astype(float)
        self.squares = (on * on).sum(axis=0).astype(float)
        self.nodes = (on > 0).sum(axis=0).astype(float)

    def unevenness(self) -> Floats:
        """Sum of squared differences from the mean of the nodes that carry any."""
        return np.asarray(self.squares - self.pods**2 / np.maximum(self.nodes, 1.0))

    def gain(self, service: int | Ints, src: Ints, dst: Ints) -> Floats:
        """By how much less uneven it gets where a node with src pods gives one to a node with dst."""
        squares, nodes, total = self.squares[service], self.nodes[service], self.pods[service] ** 2
        after = squares - 2 * src + 2 * dst + 2
        carry = nodes - (src == 1) + (dst == 0)
        return np.asarray((squares - total / nodes) - (after - total / carry))

    def move(self, service: int, src: int, dst: int) -> None:
        self.squares[service] += 2 * dst + 2 - 2 * src
        self.nodes[service] += (dst == 0) - (src == 1)
