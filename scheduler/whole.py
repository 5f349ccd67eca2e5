"""The cheapest whole machines for the pods of one zone, and a packing on exactly these.

The linear program of a zone buys parts of machines. Here a mixed-integer program buys whole ones, with a little more
room than the pods ask for; they are filled as it planned, what does not fit is put on top, and pods change places
until no node is overfull: of all exchanges of one pod of the fullest node with one or two of another the best one,
even where it is no gain, and what was exchanged does not go back for a while (tabu search, Glover 1989). Where that
fails, the next try has more room to spare. Callers: site_packing. Pure and deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.grid import Floats, Ints, Place
from scheduler.highs import MixedIntegerModel, solve_model
from scheduler.prices import Kinds, mix_prices
from scheduler.sizes import DIMENSIONS

MIX_NODES = 20  # branch-and-bound nodes for the machines of a zone
MIX_GAP = 2e-3
PATIENCE = 250  # exchanges without a gain after which a try is given up
MOST_EXCHANGES = 2_500
TENURE = 12  # exchanges for which a pod does not go back
WINDOW = 20  # nodes that are looked at for an exchange
CERTAIN = 0.5  # of all room of a resource; below that it is not watched, only checked in the end
EPSILON = 1e-9


Counts = NDArray[np.int16]  # small, since there may be thousands of nodes and services


@dataclass(slots=True)
class Mix:
    """machines: how many of each type; shares: kinds x types, as in scheduler.prices; price per hour."""

    machines: Ints
    shares: Floats
    price: float


def whole_mix(
    place: Place,
    kinds: Kinds,
    demand: Floats,
    spare: Floats,
    slack: float,
    least: float,
    limits: tuple[float, float, float],
) -> Mix | None:
    """Whole machines with room for the demand (kinds x resources), so much more, and the spare pod.

    least: so many machines at least, for services that a single one may not carry whole. limits: price that they must
    stay below, number of machines, vCPUs.
    """
    model, width = MixedIntegerModel(), len(place.types)
    used = np.flatnonzero(demand.sum(axis=1) > EPSILON)
    most = np.where(np.isfinite(place.limits), place.limits, 1e6)
    bought = [model.column(float(p), float(n)) for p, n in zip(place.prices, most, strict=True)]
    rows: list[list[tuple[int, float]]] = [
        [(bought[t], float(place.usable[t, axis]))] for t in range(width) for axis in range(DIMENSIONS)
    ]

    def carry(column: int, kind: int, size: Floats) -> None:
        for axis in np.flatnonzero(size > 0).tolist():
            rows[kind * DIMENSIONS + axis].append((column, -float(size[axis])))

    cells: list[tuple[int, int, int]] = []
    for kind in used.tolist():
        mine = []
        for t in np.flatnonzero(kinds.fits[kind]).tolist():
            mine.append(model.column(integer=False))
            cells.append((kind, t, mine[-1]))
            carry(mine[-1], t, demand[kind] * (1 + slack))
        model.row([(column, 1.0) for column in mine], lower=1.0)
    if spare.any():
        homes = [(model.column(), t) for t in np.flatnonzero((spare <= place.rooms).all(axis=1)).tolist()]
        for column, t in homes:
            carry(column, t, spare)
            model.row([(bought[t], 1.0), (column, -1.0)], lower=0.0)
        model.row([(column, 1.0) for column, _ in homes], lower=1.0)
    for row in rows:
        if len(row) > 1:
            model.row(row, lower=0.0)
    for weights, limit in zip((place.prices, np.ones(width), place.vcpu), limits, strict=True):
        if math.isfinite(limit):
            model.row([(column, float(w)) for column, w in zip(bought, weights, strict=True)], upper=limit)
    model.row([(column, 1.0) for column in bought], lower=least)
    answer = solve_model(model, node_limit=MIX_NODES, relative_gap=MIX_GAP, presolve=False)
    if answer.values is None:
        return None
    shares = np.zeros((kinds.count, width))
    for kind, t, column in cells:
        shares[kind, t] = answer.values[column]
    machines = np.array([round(answer.values[column]) for column in bought], np.int64)
    return Mix(machines, shares, float(machines @ place.prices))


def rounded_mix(
    place: Place, kinds: Kinds, demand: Floats, slack: float, limits: tuple[float, float, float]
) -> Mix | None:
    """The linear program's machines for so much more than the demand, rounded up; None where they are beyond limits
    (as in whole_mix)."""
    prices = mix_prices(place, kinds, demand * (1.0 + slack), tidy=True, zones=1)
    if prices is None:
        return None
    machines = np.minimum(np.ceil(prices.machines - 1e-6), place.limits).astype(np.int64)
    sums = (machines @ place.prices, machines.sum(), machines @ place.vcpu)
    if any(value > limit for value, limit in zip(sums, limits, strict=True)):
        return None
    return Mix(machines, prices.shares, float(sums[0]))


class Exchange:
    """Pods of one zone on given nodes. on: nodes x services, how many so far; totals: per service, how many there will
    be; sizes: services x resources; caps: per service, most on one node; rooms: nodes x resources."""

    def __init__(self, on: Counts, totals: Ints, sizes: Floats, caps: Floats, rooms: Floats) -> None:
        self.all_sizes, self.all_rooms = sizes, rooms
        tight = sizes.T @ totals > CERTAIN * rooms.sum(axis=0)
        watched = sizes.any(axis=0) & (tight | (rooms <= 0).any(axis=0))
        self.on, self.caps = on, caps
        self.sizes, self.rooms = sizes[:, watched], np.maximum(rooms[:, watched], EPSILON)
        self.loads = on @ self.sizes
        self.units = 1.0 / self.rooms.mean(axis=0)
        self.free_to_go = np.zeros(on.shape, np.int16)  # the exchange from which on a pod may go to that node
        self.turn = 0

    def over(self, loads: Floats, nodes: Ints) -> Floats:
        """By how much of its room each node is overfull, all resources together, large nodes counting more."""
        beyond = (np.maximum(loads - self.rooms[nodes], 0.0) * self.units).sum(axis=-1)
        return np.asarray(np.where(beyond > EPSILON, beyond, 0.0))

    def add(self, service: int) -> bool:
        """One more pod of that service where it makes least overfull; False where no node may have it."""
        nodes = np.arange(len(self.on))
        able = (self.all_sizes[service] <= self.all_rooms + EPSILON).all(axis=1) & (
            self.on[:, service] < self.caps[service]
        )
        if not able.any():
            return False
        worse = self.over(self.loads + self.sizes[service], nodes) - self.over(self.loads, nodes)
        best = int(np.where(able, worse, np.inf).argmin())
        self.on[best, service] += 1
        self.loads[best] += self.sizes[service]
        return True

    def run(self, most: int = MOST_EXCHANGES, patience: int = PATIENCE) -> bool:
        """Exchange pods until no node is overfull; False where that was not reached."""
        beyond = self.over(self.loads, np.arange(len(self.on)))
        best, since = float(beyond.sum()), 0
        while beyond.max(initial=0.0) > 0 and since <= patience and self.turn < most:
            self.turn += 1
            since += 1
            changed = self._step(int(beyond.argmax()), beyond)
            if changed is None:
                break
            beyond[changed] = self.over(self.loads[changed], np.array(changed))
            total = float(beyond.sum())
            if total < best - 1e-6:
                best, since = total, 0
        return bool((self.on @ self.all_sizes <= self.all_rooms + EPSILON).all())

    def _step(self, full: int, beyond: Floats) -> list[int] | None:
        """The best exchange between that node and the others that are looked at; the two nodes."""
        others = self._others(full)
        if not len(others):
            return None
        node, service = np.nonzero(self.on[others])
        many = self.on[others][node, service] > 1
        # What comes: nothing, one pod, or two of a service.
        node = np.concatenate([np.arange(len(others)), node, node[many]])
        times = np.concatenate(
            [np.zeros(len(others), np.int64), np.ones(len(service), np.int64), np.full(many.sum(), 2)]
        )
        service = np.concatenate([np.zeros(len(others), np.int64), service, service[many]])
        mine = np.flatnonzero(self.on[full])
        near = others[node]
        coming = self.sizes[service] * times[:, None]
        allowed = (times == 0) | (
            (self.free_to_go[full, service] <= self.turn) & (self.on[full, service] + times <= self.caps[service])
        )
        able = (self.free_to_go[near][:, mine] <= self.turn) & (self.on[near][:, mine] < self.caps[mine])
        worth = np.zeros((len(mine), len(near)))
        for axis in range(self.sizes.shape[1]):
            leaving = self.sizes[mine, axis][:, None]
            here = self.loads[full, axis] + coming[:, axis][None, :] - leaving - self.rooms[full, axis]
            worth += np.maximum(here, 0.0) * self.units[axis]
            there = (self.loads[near, axis] - coming[:, axis])[None, :] + leaving
            worth += np.maximum(there - self.rooms[near, axis][None, :], 0.0) * self.units[axis]
        worth -= beyond[near][None, :]
        worth[~able.T] = np.inf
        worth[:, ~allowed] = np.inf
        best = int(worth.argmin())
        i, e = divmod(best, len(near))
        if not np.isfinite(worth[i, e]):
            return None
        self._swap(full, int(mine[i]), int(near[e]), int(service[e]), int(times[e]))
        return [full, int(near[e])]

    def _others(self, full: int) -> Ints:
        """Half of them those with most free room, half of them the next in turn."""
        count = len(self.on)
        if count <= WINDOW + 1:
            found: Ints = np.delete(np.arange(count), full)
            return found
        free = (1.0 - self.loads / self.rooms).clip(0.0).sum(axis=1)
        roomy = np.argsort(-free, kind="stable")[: WINDOW // 2]
        turn = (self.turn * (WINDOW // 2) + np.arange(WINDOW // 2)) % count
        both = np.union1d(roomy, turn)
        others: Ints = both[both != full]
        return others

    def _swap(self, full: int, leaver: int, other: int, comer: int, times: int) -> None:
        self.on[full, leaver] -= 1
        self.on[other, leaver] += 1
        self.free_to_go[full, leaver] = self.turn + TENURE
        self.loads[full] -= self.sizes[leaver]
        self.loads[other] += self.sizes[leaver]
        if times:
            self.on[other, comer] -= times
            self.on[full, comer] += times
            self.free_to_go[other, comer] = self.turn + TENURE
            self.loads[other] -= times * self.sizes[comer]
            self.loads[full] += times * self.sizes[comer]


def types_of(machines: Sequence[int], prices: Floats) -> list[int]:
    """One entry a machine, dearest types first."""
    return [t for t in np.argsort(-prices, kind="stable").tolist() for _ in range(int(machines[t]))]
