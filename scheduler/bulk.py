"""Packs hundreds to tens of thousands of pods of one zone on nodes, close to what the linear program says they cost.

Whole machines of the program's mix first (or the machines that exist): every service's pods go to different nodes of
the types that the program planned for them, largest pods first, each to the node that keeps most free of its scarcest
resource. What is left over is packed node by node on the type that gives the most for its price. In the end nodes that
carry too little for their price are emptied and their pods packed anew, as long as that saves money. Callers:
site_packing. Pure and deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scheduler.grid import Floats, Grid, Ints, Place
from scheduler.prices import Kinds, PlacePrices
from scheduler.problem import NODE
from scheduler.sizes import DIMENSIONS, ON_DEMAND, loose_count, node_cap

SPARE = -1  # the pod that stands for a rolling update's extra replica; below it are pods that may be on spot machines
IDLE_REPAIRS = 1_500  # over the number of nodes: trials without success after which it is enough, at least 16
EMPTIED = 4  # nodes taken apart at once, at most
WINDOW = 384  # nodes that are looked at for a service, beside twice as many as it has pods
PLANNED = 1.0 + 1e-6
EPSILON = 1e-9
Moves = list[tuple[int, int, int]]  # node, service, pods


@dataclass(slots=True)
class Load:
    """A node: index of its type in the place, and pods per service index."""

    kind: int
    pods: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Pods:
    """count equal pods of one service that still need a node; at most cap of them on one; total: in this zone."""

    service: int
    size: Floats
    count: int
    cap: int
    total: int
    worth: float
    types: Floats  # per type: 1 where planned, more where it costs more, infinite where the pod does not fit


def node_strangers(grid: Grid) -> dict[int, frozenset[int]]:
    """Service -> those that may not share a node with it, whichever says so, as keys of Load.pods."""
    if not any(s.apart for s in grid.problem.services):
        return {}
    index = {s.name: i for i, s in enumerate(grid.problem.services)}
    found: dict[int, set[int]] = {}
    for i, service in enumerate(grid.problem.services):
        for rule in service.apart:
            if rule.over == NODE:
                j = index[rule.service]
                for one, other in ((i, j), (j, i)):
                    for key in (one, loose_key(one)):
                        found.setdefault(key, set()).update((other, loose_key(other)))
    return {key: frozenset(others) for key, others in found.items()}


def loose_key(service: int) -> int:
    """Stands for those pods of a service that may be on spot machines; and back."""
    return -(service + 2)


class Packer:
    """The nodes of one zone while they are filled."""

    def __init__(self, grid: Grid, place: Place, kinds: Kinds, prices: PlacePrices) -> None:
        self.grid, self.place, self.kinds, self.prices = grid, place, kinds, prices
        self.scale = np.maximum(place.rooms.max(axis=0), 1.0)
        self.rooms = np.maximum(place.rooms, 1e-9)
        self.strangers = node_strangers(grid)
        self.known: dict[int, Pods] = {}
        self.loads: list[Load] = []

    def pods(self, service: int, count: int) -> list[Pods]:
        """Its pods; those that may be on spot machines and those that may not by themselves, sharing what a node may
        carry of both."""
        cap = node_cap(self.grid.problem, self.grid.problem.services[service])
        share = self.grid.problem.services[service].max_spot_share
        size = self.grid.sizes[service]
        if not 0 < share < 1:
            return [self._pods(service, size, count, cap, count)]
        firm = size.copy()
        firm[ON_DEMAND] = 1.0
        loose = loose_count(self.grid.problem.services[service], count) if cap > 1 else 0
        rows = [(service, firm, count - loose, cap - cap // 2), (loose_key(service), size, loose, cap // 2)]
        return [self._pods(key, size, n, most, n) for key, size, n, most in rows if n]

    def spare(self, size: Floats) -> Pods:
        return self._pods(SPARE, size, 1, 1, 1)

    def _pods(self, service: int, size: Floats, count: int, cap: int, total: int) -> Pods:
        fits = (size[None, :] <= self.place.rooms).all(axis=1)
        worth = np.where(fits, self.prices.per_unit @ size, np.inf)
        least = float(worth.min(initial=np.inf))
        ratio = worth / max(least, 1e-12) if math.isfinite(least) else worth
        if service != SPARE:
            planned = self.prices.shares[self.kinds.kind[service if service >= 0 else loose_key(service)]] > 1e-6
            ratio = np.where(fits & planned, 1.0, np.maximum(ratio, 1.0 + 1e-3))
        made = self.known[service] = Pods(service, size, count, cap, total, least, ratio)
        return made

    def again(self, service: int, count: int) -> Pods:
        """Pods that lose their node and need another."""
        k = self.known[service]
        return Pods(service, k.size, count, k.cap, k.total, k.worth, k.types)

    # -- filling ---------------------------------------------------------------------------------------------

    def bulk(self, waiting: list[Pods], existing: Sequence[int]) -> None:
        """Whole machines of the program's mix, or those that exist, filled evenly."""
        whole = np.floor(self.prices.machines + 1e-6).astype(int)
        dearest_first = np.argsort(-self.place.prices, kind="stable").tolist()
        kinds = sorted(existing) if existing else [t for t in dearest_first for _ in range(whole[t])]
        if not kinds:
            return
        self.loads = [Load(t) for t in kinds]
        free = self.place.rooms[kinds].copy()
        for parts in self.as_planned(waiting):
            self.apply(self.fill(free, parts, self.index(), PLANNED))
        for limit in (PLANNED, math.inf):
            if any(pods.count for pods in waiting):
                self.apply(self.fill(free, waiting, self.index(), limit))

    def as_planned(self, waiting: list[Pods]) -> Iterator[list[Pods]]:
        """For each type of the mix the pods that the program put there, so that its machines get the proportion of
        resources that they were counted for. What does not fit goes back to the others that wait."""
        machines, shares = self.prices.machines, self.prices.shares
        owed: dict[tuple[int, int], float] = {}  # (kind, type) -> pods that rounding has kept back
        for t in np.flatnonzero(machines > 1e-6).tolist():
            only = np.full(len(self.place.types), math.inf)
            only[t] = 1.0
            parts: list[tuple[Pods, Pods]] = []
            for pods in waiting:
                if pods.service == SPARE or not math.isfinite(pods.types[t]):
                    continue
                kind = int(self.kinds.kind[pods.service if pods.service >= 0 else loose_key(pods.service)])
                want = owed.get((kind, t), 0.0) + float(shares[kind, t]) * pods.total
                count = min(pods.count, max(0, math.floor(want + 1e-6)))
                owed[kind, t] = want - count
                if count:
                    parts.append((pods, replace(pods, count=count, types=only)))
                    pods.count -= count
            yield [part for _, part in parts]
            for pods, part in parts:
                pods.count += part.count

    def index(self) -> dict[int, list[tuple[int, int]]]:
        """service -> (node, pods) rows."""
        found: dict[int, list[tuple[int, int]]] = {}
        for i, load in enumerate(self.loads):
            for service, n in load.pods.items():
                found.setdefault(service, []).append((i, n))
        return found

    def apply(self, moves: Moves) -> None:
        for node, service, n in moves:
            pods = self.loads[node].pods
            pods[service] = pods.get(service, 0) + n

    def fill(self, free: Floats, waiting: list[Pods], placed: dict[int, list[tuple[int, int]]], limit: float) -> Moves:
        """Put as many of the waiting pods as fit into the free room, largest first; counts and free go down."""
        kinds = np.array([load.kind for load in self.loads], np.int64)
        moves: Moves = []
        rows_of: dict[bytes, Ints] = {}
        turn = 0
        for pods in sorted(waiting, key=lambda p: (-float((p.size / self.scale).max()), p.service)):
            if not pods.count:
                continue
            right = pods.types <= limit
            if right.tobytes() not in rows_of:
                rows_of[right.tobytes()] = np.flatnonzero(right[kinds])
            rows = rows_of[right.tobytes()]
            before, here = len(moves), list(placed.get(pods.service, ()))
            window = WINDOW + 2 * pods.count
            if len(rows) > 2 * window:  # a part of many alike nodes is as good as all of them, and quicker
                first = (turn * window) % len(rows)
                turn += 1
                self._fill_one(free, kinds, self._free_of(rows[first : first + window], pods, moves), pods, here, moves)
                here += [(node, n) for node, _, n in moves[before:]]
            if len(rows) and pods.count:
                self._fill_one(free, kinds, self._free_of(rows, pods, moves), pods, here, moves)
        return moves

    def _free_of(self, rows: Ints, pods: Pods, moves: Moves) -> Ints:
        """The nodes that carry no service which may not share a node with this one."""
        others = self.strangers.get(pods.service)
        if not others:
            return rows
        met = {i for i, load in enumerate(self.loads) if not others.isdisjoint(load.pods)}
        met |= {node for node, service, _ in moves if service in others}
        return rows[~np.isin(rows, sorted(met))] if met else rows

    def _fill_one(
        self,
        free: Floats,
        kinds: Ints,
        rows: Ints,
        pods: Pods,
        placed: Sequence[tuple[int, int]],
        moves: Moves,
    ) -> None:
        asked = np.flatnonzero(pods.size > 0)
        taken = np.zeros(len(free), np.int64) if pods.cap <= pods.total else None
        if taken is not None:
            for node, n in placed:
                taken[node] += n
        while pods.count:
            room = free[rows][:, asked]
            able = (room >= pods.size[asked] - EPSILON).all(axis=1)
            if taken is not None:
                able &= taken[rows] < pods.cap
            rows, room = rows[able], room[able]
            if not len(rows):
                return
            score = ((room - pods.size[asked]) / self.rooms[kinds[rows]][:, asked]).min(axis=1)
            if pods.count < len(rows):
                best = np.argpartition(-score, pods.count - 1)[: pods.count]
                chosen = rows[np.sort(best)]
            else:
                chosen = rows
            free[chosen] -= pods.size
            if taken is not None:
                taken[chosen] += 1
            pods.count -= len(chosen)
            moves.extend((node, pods.service, 1) for node in chosen.tolist())

    # -- new nodes -------------------------------------------------------------------------------------------

    def one_by_one(self, waiting: list[Pods], budget: float = math.inf) -> list[Load] | None:
        """Node after node of the type that gives the most for its price, until nothing waits; None above the budget."""
        loads: list[Load] = []
        left = [p for p in waiting if p.count]
        while left:
            sizes = np.array([p.size for p in left])
            best: tuple[float, Load, Ints] | None = None
            # What nothing holds counts nothing; what only machines at price 0 hold must be placed all the same.
            value = np.array([max(p.worth, 1e-12) if math.isfinite(p.worth) else 0.0 for p in left])
            for t in np.flatnonzero(np.isinf(self.place.limits)).tolist():  # the others are in the mix already
                used = self._one_node(t, sizes, np.array([min(p.count, p.cap) for p in left]), left)
                worth = float(value @ used)
                if worth > 0 and (best is None or float(self.place.prices[t]) / worth < best[0] - EPSILON):
                    best = float(self.place.prices[t]) / worth, Load(t), used
            if best is None:
                return None
            budget -= float(self.place.prices[best[1].kind])
            if budget < 0 and not math.isinf(budget) and len(left) > int(np.count_nonzero(best[2])):
                return None
            best[1].pods = {p.service: int(n) for p, n in zip(left, best[2], strict=True) if n}
            for p, n in zip(left, best[2].tolist(), strict=True):
                p.count -= n
            loads.append(best[1])
            left = [p for p in left if p.count]
        return loads

    def _one_node(self, kind: int, sizes: Floats, available: Ints, left: Sequence[Pods]) -> Ints:
        """What goes on one node of that type: large pods first, and of them what is most like the free room."""
        room = self.rooms[kind]
        free = self.place.rooms[kind].copy()
        used = np.zeros(len(sizes), np.int64)
        share = sizes / room
        large = share.max(axis=1)
        length = np.maximum(np.sqrt((share * share).sum(axis=1)), 1e-12)
        able = np.arange(len(sizes))
        while True:
            able = able[(used[able] < available[able]) & (sizes[able] <= free + EPSILON).all(axis=1)]
            if not len(able):
                return used
            pick = int(able[int(np.argmax(share[able] @ (free / room) / length[able] + large[able]))])
            asked = sizes[pick] > 0
            fitting = (
                int(((free[asked] + EPSILON) // sizes[pick][asked]).min()) if asked.any() else int(available[pick])
            )
            most = min(int(available[pick] - used[pick]), fitting)
            n = max(1, min(most, 1 + most // 4))
            used[pick] += n
            others = self.strangers.get(left[pick].service)
            if others:
                able = np.array([i for i in able.tolist() if left[i].service not in others], np.int64)
            free = free - n * sizes[pick]

    def downsize(self, loads: Sequence[Load]) -> None:
        """Each node becomes the cheapest type that still holds what it carries."""
        for load in loads:
            if np.isfinite(self.place.limits[load.kind]):
                continue
            holds = (self.place.rooms >= self.carried(load) - EPSILON).all(axis=1)
            fits = np.flatnonzero(holds & np.isinf(self.place.limits))
            load.kind = int(fits[int(np.argmin(self.place.prices[fits]))])

    def carried(self, load: Load) -> Floats:
        sizes = np.array([self.known[service].size for service in load.pods]).reshape(-1, DIMENSIONS)
        total: Floats = np.array(list(load.pods.values()), float) @ sizes
        return total

    # -- repair ----------------------------------------------------------------------------------------------

    def improve(self, repairs: int) -> None:
        """Empty the nodes that are worth least for their price; pack their pods into free room and on new nodes."""
        self.downsize(self.loads)
        tried: set[tuple[int, ...]] = set()
        state = self._state()
        idle = 0
        for attempt in range(repairs):
            amount = 1 + attempt % EMPTIED
            first = attempt // EMPTIED
            doomed = state[2][first : first + amount]
            key = tuple(sorted(id(self.loads[i]) for i in doomed))
            if key in tried or not doomed:
                continue
            tried.add(key)
            idle += 1
            if self._without(doomed, state[0], state[1]):
                state = self._state()
                idle = 0
            if idle >= max(16, min(repairs, IDLE_REPAIRS // len(self.loads))):
                return

    def _state(self) -> tuple[Floats, dict[int, list[tuple[int, int]]], list[int]]:
        """Free room per node, where each service's pods are, and the nodes by what their price exceeds their worth."""
        free = np.array([self.place.rooms[load.kind] - self.carried(load) for load in self.loads])
        waste = [
            float(self.place.prices[load.kind]) - sum(self.known[s].worth * n for s, n in load.pods.items())
            for load in self.loads
        ]
        return free, self.index(), sorted(range(len(self.loads)), key=lambda i: (-waste[i], i))

    def _without(self, doomed: list[int], free: Floats, placed: dict[int, list[tuple[int, int]]]) -> bool:
        paid = sum(float(self.place.prices[self.loads[i].kind]) for i in doomed)
        counts: dict[int, int] = {}
        for i in doomed:
            for service, n in self.loads[i].pods.items():
                counts[service] = counts.get(service, 0) + n
        waiting = [self.again(s, n) for s, n in sorted(counts.items())]
        left = free.copy()
        left[doomed] = -1.0
        moves = self.fill(left, waiting, placed, math.inf)
        rest = self.one_by_one(waiting, paid)
        if rest is None:
            return False
        self.downsize(rest)
        if sum(float(self.place.prices[load.kind]) for load in rest) >= paid - EPSILON:
            return False
        self.apply(moves)
        gone = set(doomed)
        self.loads = [load for i, load in enumerate(self.loads) if i not in gone] + rest
        return True
