"""All mixes of at most two machine types of one site, cheapest first: what local search asks thousands of times.

Callers: improve. Pure. A mix counts where first-fit packs the pods on it; `mixes` asks for the best one of all types.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from scheduler.packing import Group, Node, Outcome, pack
from scheduler.problem import Problem, ServiceDemand, SiteOffer
from scheduler.pruning import pool_types
from scheduler.sizes import DIMENSIONS, room

PACK_TRIES = 12
MOST_FIRST, MOST_SECOND = 7, 3  # nodes of the first and of the second type in a mix


@dataclass(frozen=True, slots=True)
class Machines:
    """What a site's pods cost and count: price per hour, number of nodes, vCPUs."""

    price: float
    count: int
    vcpu: float


NOTHING = Machines(0.0, 0, 0.0)


class Mixes:
    """All mixes of at most two types of one site, cheapest first, as arrays."""

    def __init__(self, problem: Problem, site: SiteOffer, tenants: Sequence[ServiceDemand]) -> None:
        types = pool_types(problem, site, tenants)
        rooms = np.array([room(problem, t) for t in types], dtype=float).reshape(len(types), DIMENSIONS)
        rows = [tuple(n if i == a else 0 for i in range(len(types))) for a in range(len(types)) for n in range(1, 13)]
        for a, b in product(range(len(types)), repeat=2):
            if a != b:
                for n, m in product(range(1, MOST_FIRST + 1), range(1, MOST_SECOND + 1)):
                    rows.append(tuple(n if i == a else m if i == b else 0 for i in range(len(types))))
        # A site may have no type at all for its tenants: then there is no row, and no column.
        counts = np.array(sorted(set(rows)), dtype=float).reshape(len(set(rows)), len(types))
        spare = int(problem.spare_node_per_pool)
        most = np.array([math.inf if t.max_count is None else t.max_count - spare for t in types])
        counts = counts[(counts <= most).all(axis=1)]
        bought = counts + spare * (counts > 0)
        prices = bought @ np.array([t.price_per_hour for t in types])
        order = np.argsort(prices, kind="stable")
        self.counts, self.prices, bought = counts[order], prices[order], bought[order]
        self.sums = self.counts @ rooms
        self.nodes_in = self.counts.sum(axis=1)
        self.sizes = bought.sum(axis=1)
        self.vcpu = bought @ np.array([t.vcpu for t in types])
        self.nodes = [Node(t.name, room(problem, t)) for t in types]
        self.dearest_first = sorted(range(len(types)), key=lambda i: (-types[i].price_per_hour, types[i].name))
        self._known: dict[tuple[Group, ...], Machines | None] = {}

    def cheapest(self, groups: tuple[Group, ...]) -> Machines | None:
        """The first mix in order of price on which first-fit packs the groups; None where none was found."""
        if groups not in self._known:
            self._known[groups] = self._find(groups)
        return self._known[groups]

    def _find(self, groups: tuple[Group, ...]) -> Machines | None:
        need = np.array([[g.size[axis] * g.count for axis in range(DIMENSIONS)] for g in groups], dtype=float).sum(
            axis=0
        )
        least = max(math.ceil(g.count / g.per_node) for g in groups)
        enough = np.flatnonzero((self.sums >= need).all(axis=1) & (self.nodes_in >= least))
        for position in _tries(len(enough)):
            index = enough[position]
            row = self.counts[index]
            nodes = [self.nodes[i] for i in self.dearest_first for _ in range(int(row[i]))]
            if pack(groups, nodes, 0).outcome is Outcome.PACKED:
                return Machines(float(self.prices[index]), int(self.sizes[index]), float(self.vcpu[index]))
        return None


def _tries(length: int) -> Iterator[int]:
    """The first few one by one, then with growing strides: a dearer mix is better than none."""
    position = 0
    while position < length:
        yield position
        position += 1 if position < PACK_TRIES else 1 + position // 4
