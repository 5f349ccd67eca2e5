"""Leaves the pods of a zone on the nodes that carry them, where that is known, and finds room for what is new.

What has grown beyond its node or its limit and what is new goes into free room, largest first; else pods change places
until it fits (scheduler.whole); else there are new nodes. Nodes that little is left on are emptied into the others. A
zone in which nothing has changed is as it was. Callers: stay. Pure and deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scheduler.bulk import SPARE, Load, Packer, Pods
from scheduler.grid import Floats, Grid, Ints, Place
from scheduler.prices import Kinds, PlacePrices
from scheduler.problem import NodeLoad
from scheduler.refill import EXCHANGES, MOST_CELLS, PATIENCE, SURPLUS, can_refill
from scheduler.sizes import CPU, ON_DEMAND, node_cap
from scheduler.whole import Exchange

MOST_KNOWN = 20_000_000  # nodes times services of a zone; beyond it, it is packed anew
CLOSED = 8  # nodes that are emptied on trial, at most
DEAR = 2 * SURPLUS  # of what the pods are worth: what the nodes may cost more, beside one node


def on_their_nodes(
    grid: Grid,
    place: Place,
    kinds: Kinds,
    prices: PlacePrices,
    counts: Floats,
    worth: Floats,
    spare: Floats,
    nodes: Sequence[NodeLoad],
) -> tuple[list[Load], bool] | None:
    """As scheduler.site_packing.pack_site, for nodes of which it is known what they carry; None where it is not, or
    where only packing anew does it. The second: something has changed, and the nodes cost clearly more than their pods
    are worth, so that packing anew may be cheaper.

    prices: of the place, whatever runs there. worth: at them, of a replica of each service.
    """
    here = np.flatnonzero((counts > 0) & ~grid.dedicated)
    number = {t.name: i for i, t in enumerate(place.types)}
    known = [node for node in nodes if node.instance_type in number]
    if not len(here) or not known or not len(prices.shares) or len(known) * len(here) > MOST_KNOWN:
        return None
    zone = _Zone(Packer(grid, place, kinds, prices), here, counts, worth, spare, known, number)
    return (zone.loads(), zone.changed and zone.dear()) if zone.settled() else None


class _Zone:
    """nodes x services: the pods on each node. keeper: the node with the room for updates; -1 for none."""

    def __init__(
        self,
        packer: Packer,
        here: Ints,
        counts: Floats,
        worth: Floats,
        spare: Floats,
        nodes: Sequence[NodeLoad],
        number: dict[str, int],
    ) -> None:
        grid, services = packer.grid, packer.grid.problem.services
        self.packer, self.here, self.spare = packer, here, spare
        self.total = counts[here].astype(np.int64)
        self.sizes = grid.sizes[here]
        self.firm = self.sizes.copy()  # which pods may be on spot machines is judged by service, not by node
        self.firm[:, ON_DEMAND] = 0.0
        self.caps = np.array([node_cap(grid.problem, services[i]) for i in here.tolist()], np.int64)
        self.kinds = np.array([number[node.instance_type] for node in nodes], np.int64)
        self.rooms = packer.place.rooms[self.kinds]
        column = {services[i].name: k for k, i in enumerate(here.tolist())}
        rows = [(n, column[k], count) for n, node in enumerate(nodes) for k, count in node.pods.items() if k in column]
        node, service, pods = np.array(rows, np.int64).reshape(-1, 3).T
        pods = np.minimum(pods, self.total[service])
        self.on = np.zeros((len(nodes), len(here)), np.int32)
        self.on[node, service] = pods
        self.free = self.rooms.copy()
        for axis in np.flatnonzero(self.firm.any(axis=0)).tolist():
            self.free[:, axis] -= np.bincount(node, pods * self.firm[service, axis], minlength=len(nodes))
        self.worth = worth[here]
        self.new: list[Load] = []
        self.keeper, self.changed = -1, False

    def settled(self) -> bool:
        """Every pod on a node; False where something else has to pack them."""
        trimmed = self._trim()
        self.keeper = self._keeper()
        waiting = self._waiting()
        self.changed = trimmed or bool(waiting) or (self.keeper < 0 and bool(self.spare.any()))
        if not self.changed:
            return True
        if not can_refill(self.packer.grid, self.packer, self.here):
            return False
        if self.keeper >= 0:
            self.free[self.keeper] -= self.spare
        if not self._placed(waiting):
            return False
        self._close()
        return True

    def loads(self) -> list[Load]:
        found = [Load(kind) for kind in self.kinds.tolist()]
        rows, columns = np.nonzero(self.on)
        keys, pods = self.here[columns].tolist(), self.on[rows, columns].tolist()
        for node, key, count in zip(rows.tolist(), keys, pods, strict=True):
            found[node].pods[key] = count
        left: dict[int, list[Load | None]] = {}
        for node, load in enumerate(found):
            left.setdefault(load.kind, []).append(load if load.pods or node == self.keeper else None)
        for load in self.new:
            left.setdefault(load.kind, []).append(load)
        return [load for kind in sorted(left) for load in _without_gaps(left[kind])]

    def _trim(self) -> bool:
        """Without what is too many: of a service, of it on one node, and for the node's room. Whether there was any."""
        on, free, trimmed = self.on, self.free, False

        def leave(node: int, i: int, count: int) -> None:
            nonlocal trimmed
            on[node, i] -= count
            free[node] += self.firm[i] * count
            trimmed = True

        for node, i in zip(*np.nonzero(on > self.caps), strict=True):
            leave(int(node), int(i), int(on[node, i] - self.caps[i]))
        for i in np.flatnonzero(on.sum(axis=0) > self.total).tolist():
            for _ in range(int(on[:, i].sum() - self.total[i])):
                leave(int(on[:, i].argmax()), i, 1)
        for node in np.flatnonzero((free < 0).any(axis=1)).tolist():
            while (free[node] < 0).any() and on[node].any():
                # The pod that mends most of it, and of these the smallest.
                mine = np.flatnonzero(on[node])
                mends = np.minimum(self.firm[mine], np.maximum(-free[node], 0.0)) / np.maximum(self.rooms[node], 1.0)
                rank = mends.sum(axis=1) - 1e-3 * self.firm[mine, CPU] / self.packer.scale[CPU]
                leave(node, int(mine[rank.argmax()]), 1)
        return trimmed

    def _keeper(self) -> int:
        """Of the nodes with room for the spare pod one that carries something, and of these the fullest."""
        fits = np.flatnonzero((self.free >= self.spare).all(axis=1))
        if not self.spare.any() or not len(fits):
            return -1
        idle = self.on[fits].sum(axis=1) == 0
        order = np.lexsort((fits, (self.free[fits] / self.packer.scale).sum(axis=1), idle))
        return int(fits[order[0]])

    def _waiting(self) -> list[Pods]:
        missing = self.total - self.on.sum(axis=0)
        return [self._pods(i, int(missing[i])) for i in np.flatnonzero(missing > 0).tolist()]

    def _pods(self, i: int, count: int) -> Pods:
        (pods,) = self.packer.pods(int(self.here[i]), int(self.total[i]))
        pods.count = count
        return pods

    def _placed(self, waiting: list[Pods]) -> bool:
        """In free room, by exchange, or on new nodes; False where a pod fits nowhere."""
        waiting = [*waiting, *([self.packer.spare(self.spare)] if self.keeper < 0 and self.spare.any() else [])]
        self._fill(self.free, waiting)
        if not any(pods.count for pods in waiting):
            return True
        if self.on.size <= MOST_CELLS and self._exchanged(waiting):
            return True
        rest = self.packer.one_by_one(waiting)
        if rest is None:
            return False
        self.packer.downsize(rest)
        self.new = rest
        return True

    def _fill(self, free: Floats, waiting: list[Pods]) -> None:
        """As many of them as fit."""
        column = {key: i for i, key in enumerate(self.here.tolist())}
        self.packer.loads = [Load(kind) for kind in self.kinds.tolist()]
        where = {
            pods.service: [(n, int(self.on[n, i])) for n in np.flatnonzero(self.on[:, i]).tolist()]
            for pods in waiting
            if (i := column.get(pods.service, -1)) >= 0
        }
        for node, key, count in self.packer.fill(free, waiting, where, math.inf):
            if key == SPARE:
                self.keeper = node
            else:
                self.on[node, column[key]] += count

    def _exchanged(self, waiting: list[Pods]) -> bool:
        """What waits fits on the nodes when pods change places; nothing has changed where that is not found."""
        column = {key: i for i, key in enumerate([*self.here.tolist(), SPARE])}
        kept = np.zeros((len(self.on), 1), np.int64)
        if self.keeper >= 0:
            kept[self.keeper] = 1
        exchange = Exchange(
            np.hstack([self.on, kept]).astype(np.int16),
            np.append(self.total, 1),
            np.vstack([self.sizes, self.spare]),
            np.append(self.caps, 1).astype(float),
            self.rooms.copy(),
        )
        for pods in waiting:
            if not all(exchange.add(column[pods.service]) for _ in range(pods.count)):
                return False
        if not exchange.run(EXCHANGES, PATIENCE):
            return False
        self.on = exchange.on[:, :-1].astype(np.int32)
        self.free = self.rooms - self.on @ self.firm
        self.keeper = int(exchange.on[:, -1].argmax()) if self.spare.any() else -1
        if self.keeper >= 0:
            self.free[self.keeper] -= self.spare
        return True

    def _close(self) -> None:
        """Nodes that carry too little for their price are given up where the others have room for their pods."""
        if self.new:
            return
        free = self.free
        free[~self.on.any(axis=1)] = -1.0
        prices = self.packer.place.prices[self.kinds]
        waste = prices - self.on @ self.worth
        for node in np.lexsort((np.arange(len(waste)), -waste))[:CLOSED].tolist():
            if node == self.keeper or not self.on[node].any() or not prices[node]:
                continue
            before, left = self.on.copy(), free.copy()
            left[node] = -1.0
            if not (self.on[node] @ self.firm <= np.maximum(left, 0.0).sum(axis=0)).all():
                continue
            rows = np.flatnonzero(self.on[node])
            waiting = [self._pods(i, int(self.on[node, i])) for i in rows.tolist()]
            self.on[node] = 0
            self._fill(left, waiting)
            if any(pods.count for pods in waiting):
                self.on = before
            else:
                free = left

    def dear(self) -> bool:
        """Whether the nodes cost so much more than the pods are worth that they are packed anew on trial."""
        prices = [float(self.packer.place.prices[load.kind]) for load in self.loads()]
        least = float(self.worth @ self.total)
        return math.fsum(prices) - max(prices, default=0.0) > least * (1.0 + DEAR)


def _without_gaps(nodes: Sequence[Load | None]) -> list[Load]:
    """Those that are there, each in its place, as the places are called by number; the last ones fill the gaps."""
    count = sum(node is not None for node in nodes)
    rest = [node for node in nodes[count:] if node is not None]
    return [node if node is not None else rest.pop() for node in nodes[:count]]
