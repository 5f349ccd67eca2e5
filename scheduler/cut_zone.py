"""A zone's pods on machines bought by patterns (scheduler.cutting). Callers: site_packing. Pure and deterministic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.bulk import Load, Packer, Pods
from scheduler.cutting import PODS_A_ROW, Stock, cut, whole
from scheduler.fillings import fitting
from scheduler.grid import Floats, Place

MOST_ROWS = 200
CLOSE = 2e-3  # of the program over sums, at which no further patterns are sought
NEAR = 5e-3  # to the program, for which nothing else is tried


@dataclass(slots=True)
class Rows:
    """Pods of one size as one row, unless a node may carry fewer of a service than it has room for."""

    members: list[list[Pods]]

    @classmethod
    def of(cls, waiting: Iterable[Pods], rooms: Floats) -> Rows:
        found: dict[tuple[object, ...], list[Pods]] = {}
        for pods in waiting:
            room = fitting(pods.size[None, :], rooms).max(initial=0.0)
            key = (pods.size.tobytes(), pods.service if pods.cap < min(room, pods.total) else None)
            found.setdefault(key, []).append(pods)
        return cls(list(found.values()))

    def stock(self, place: Place, limits: tuple[float, float]) -> Stock:
        """limits: machines and vCPUs, infinite for none."""
        sizes = np.array([m[0].size for m in self.members])
        demand = np.array([float(sum(p.total for p in m)) for m in self.members])
        caps = np.array([float(sum(min(p.cap, p.total) for p in m)) for m in self.members])
        everywhere = np.ones((len(sizes), len(place.types)), bool)
        weights = [*np.eye(len(place.types)), np.ones(len(place.types)), place.vcpu]
        most = [*place.limits.tolist(), *limits]
        limited = [(w, m) for w, m in zip(weights, most, strict=True) if m < math.inf]
        return Stock(sizes, demand, caps, place.rooms, place.prices, everywhere, limited)

    def pattern(self, load: Load) -> Floats:
        return np.array([float(sum(load.pods.get(p.service, 0) for p in m)) for m in self.members])

    def loads(self, machines: Sequence[tuple[int, Floats]]) -> list[Load]:
        """Each row's pods handed out to its services, one after the other."""
        left = [[p.total for p in m] for m in self.members]
        loads = []
        for kind, pattern in machines:
            load = Load(kind)
            for row in np.flatnonzero(pattern).tolist():
                need = int(pattern[row])
                for i, pods in enumerate(self.members[row]):
                    n = min(need, left[row][i])
                    if n:
                        load.pods[pods.service] = n
                        left[row][i] -= n
                        need -= n
            loads.append(load)
        return loads


def on_patterns(packer: Packer, limits: tuple[float, float, float]) -> bool:
    """The pods of the packer's nodes on other machines, where that is cheaper; whether they then cost hardly more than
    the program over patterns says, so that nothing else need be tried. False, too, where pods of a size are few.

    limits: price that they must stay below, number of machines, vCPUs.
    """
    rows = Rows.of(packer.known.values(), packer.place.rooms)
    count, pods = len(rows.members), sum(p.total for p in packer.known.values())
    if packer.strangers or count > MOST_ROWS or pods < PODS_A_ROW * count:
        return False
    stock = rows.stock(packer.place, limits[1:])
    enough = packer.prices.cost * (1.0 + CLOSE)  # hardly any packing costs less than the program over sums
    found = cut(stock, [(load.kind, rows.pattern(load)) for load in packer.loads], enough=enough)
    if found is None:
        return False
    machines = whole(stock, found) if found.cost < limits[0] else None
    price = math.inf if machines is None else sum(float(stock.prices[kind]) for kind, _ in machines)
    if machines is not None and price < limits[0]:
        packer.loads = rows.loads(machines)
    return min(price, limits[0]) <= found.cost * (1.0 + NEAR)
