"""Puts the pods of a zone where much runs already on the nodes that it has, in arrays.

Of tens of thousands of pods nearly all fit on the nodes that carry them now, though nobody says which pod is on which.
The linear program says which pods suit which type; type by type they go on its nodes in batches of about one size,
largest first: a batch goes to the nodes with most room, one pod on each, those that ask for more cpu where more cpu is
left. What is left over goes into any free room, then pods change places until it fits (scheduler.whole), and else there
are new nodes. Where the nodes cost clearly more than the program, fewer of them are tried, too. Callers: stay. Pure and
deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.bulk import PLANNED, SPARE, Load, Packer, Pods
from scheduler.grid import Floats, Grid, Ints, Place
from scheduler.prices import Kinds, PlacePrices, mix_prices
from scheduler.site_packing import demand_of
from scheduler.sizes import CPU, MEMORY, node_cap
from scheduler.whole import Exchange

BATCH, LAST_BATCH = 0.3, 0.05  # pods placed at once, as a share of the nodes
NEARLY_FULL = 0.15  # share of room left from which on batches are small
MOST_CELLS = 1_500_000  # nodes times services up to which pods change places to save a new node
EXCHANGES, PATIENCE = 400, 60  # at most, and without a gain
SURPLUS = 0.02  # of the program's cost: what the nodes cost more, and one node, for fewer of them to be tried
EPSILON = 1e-9


@dataclass(slots=True)
class Tenants:
    """The services with pods in a zone, one a row. key: as in Load.pods; count: those that still need a node."""

    key: Ints
    sizes: Floats
    total: Ints
    count: Ints
    caps: Ints
    kind: Ints


def can_refill(grid: Grid, packer: Packer, here: Ints) -> bool:
    """Not where pods of one service differ or keep away from others' nodes."""
    services = grid.problem.services
    return not packer.strangers and not any(0 < services[i].max_spot_share < 1 for i in here.tolist())


def refill(
    grid: Grid, place: Place, kinds: Kinds, counts: Floats, spare: Floats, existing: Sequence[int]
) -> list[Load] | None:
    """As scheduler.site_packing.pack_site, for nodes that exist (types, one a node). None: ask pack_site."""
    here = np.flatnonzero((counts > 0) & ~grid.dedicated)
    if not len(here) or not existing:
        return None
    demand = demand_of(grid, kinds, here, counts)
    prices = mix_prices(place, kinds, demand, tidy=True, zones=1)
    if prices is None:
        return None
    packer = Packer(grid, place, kinds, prices)
    if not can_refill(grid, packer, here):
        return None
    nodes = np.array(sorted(existing), np.int64)
    loads = _on(packer, here, counts, spare, nodes)
    fewer = _without_surplus(place, prices, nodes)
    beyond = float(place.prices[nodes].sum() - place.prices[nodes].max()) - prices.cost * (1.0 + SURPLUS)
    if beyond > 0 and 0 < len(fewer) < len(nodes):
        other = _on(Packer(grid, place, kinds, prices), here, counts, spare, fewer)
        if other is not None and (loads is None or price_of(place, other) < price_of(place, loads) - EPSILON):
            loads = other
    return loads


def price_of(place: Place, loads: list[Load]) -> float:
    return math.fsum(float(place.prices[load.kind]) for load in loads)


def _without_surplus(place: Place, prices: PlacePrices, nodes: Ints) -> Ints:
    """Of each type no more than the program takes, rounded up."""
    most = np.ceil(prices.machines - 1e-6)
    have = np.bincount(nodes, minlength=len(place.types))
    return np.repeat(np.arange(len(place.types)), np.minimum(have, most).astype(np.int64))


def _on(packer: Packer, here: Ints, counts: Floats, spare: Floats, nodes: Ints) -> list[Load] | None:
    """All pods on those nodes and, where they must be, new ones; None where some fit on no machine."""
    place, services = packer.place, packer.grid.problem.services
    caps = np.array([node_cap(packer.grid.problem, services[i]) for i in here.tolist()], np.int64)
    total = counts[here].astype(np.int64)
    tenants = Tenants(here, packer.grid.sizes[here], total, total.copy(), caps, packer.kinds.kind[here])
    free = place.rooms[nodes].copy()
    held: list[tuple[Ints, Ints]] = []  # nodes and rows of tenants, one pod each
    spared = _spare_node(packer, spare, nodes)
    if spared is not None:
        free[spared] -= spare
    for t in np.flatnonzero(packer.prices.machines > 1e-6).tolist():
        rows = np.flatnonzero(nodes == t)
        if len(rows):
            _fill_type(packer, t, rows, free, tenants, held)
    packer.loads = _loads(nodes, tenants, held)
    waiting = [_pods(packer, tenants, i) for i in np.flatnonzero(tenants.count).tolist()]
    for limit in (PLANNED, math.inf):
        if any(pods.count for pods in waiting):
            packer.apply(packer.fill(free, waiting, _where(packer.loads, waiting), limit))
    if spared is None and spare.any():
        waiting.append(packer.spare(spare))
        packer.apply(packer.fill(free, waiting[-1:], {}, math.inf))
    if any(pods.count for pods in waiting) and not _exchanged(packer, tenants, waiting, nodes, spare, spared):
        rest = packer.one_by_one(waiting)
        if rest is None:
            return None
        packer.downsize(rest)
        packer.loads += rest
    kept = spared if spared is not None else -1
    return [load for i, load in enumerate(packer.loads) if load.pods or i == kept]


def _spare_node(packer: Packer, spare: Floats, nodes: Ints) -> int | None:
    """The node that keeps the room for updates: of the type on which that is worth least."""
    fits = (spare <= packer.place.rooms[nodes]).all(axis=1)
    if not spare.any() or not fits.any():
        return None
    return int(np.where(fits, (packer.prices.per_unit @ spare)[nodes], np.inf).argmin())


def _pods(packer: Packer, tenants: Tenants, i: int) -> Pods:
    (pods,) = packer.pods(int(tenants.key[i]), int(tenants.total[i]))
    pods.count = int(tenants.count[i])
    return pods


def _fill_type(
    packer: Packer, t: int, nodes: Ints, free: Floats, tenants: Tenants, held: list[tuple[Ints, Ints]]
) -> None:
    """The pods that the program put on that type go on its nodes, as far as they fit."""
    rows, wanted = _planned(packer.prices.shares[:, t], tenants)
    if not len(rows):
        return
    order = np.lexsort((rows, -(tenants.sizes[rows] / packer.scale).max(axis=1)))
    rows, wanted = rows[order], wanted[order]
    asked = np.flatnonzero(tenants.sizes[rows].any(axis=0))
    room = np.maximum(packer.place.rooms[t][asked], EPSILON)
    sizes = tenants.sizes[np.ix_(rows, asked)] / room
    local = free[np.ix_(nodes, asked)] / room
    leaning = len(asked) > 1 and bool(asked[0] == CPU and asked[1] == MEMORY)
    first = 0
    while first < len(rows):
        left = float(local.mean(axis=0).min())
        most = max(1, int((BATCH if left > NEARLY_FULL else LAST_BATCH) * len(nodes)))
        sums = np.cumsum(wanted[first : first + most])
        last = first + max(1, int(np.searchsorted(sums, most, side="right")))
        rounds = int(tenants.caps[rows[first]]) if last == first + 1 else 1
        for chosen, who in _batches(sizes[first:last], wanted[first:last], rounds, local, leaning):
            batch = rows[first + who]
            tenants.count -= np.bincount(batch, minlength=len(tenants.count))
            held.append((nodes[chosen], batch))
        first = last
    free[np.ix_(nodes, asked)] = local * room


def _planned(shares: Floats, tenants: Tenants) -> tuple[Ints, Ints]:
    """Rows with the number of their pods that go on a type of which the program gives each kind such a share. What
    rounding keeps back from one service of a kind the next one gets."""
    order = np.argsort(tenants.kind, kind="stable")
    kind = tenants.kind[order]
    part = shares[kind] * tenants.total[order]
    begins = np.concatenate([[True], kind[1:] != kind[:-1]])
    sums = np.cumsum(part)
    before = np.where(begins, sums - part, 0.0)
    level = sums - np.maximum.accumulate(before)
    whole = np.floor(level + 1e-6)
    counts = np.diff(whole, prepend=0.0)
    counts[begins] = whole[begins]
    wanted = np.minimum(np.maximum(counts, 0.0).astype(np.int64), tenants.count[order])
    some = np.flatnonzero(wanted)
    return order[some], wanted[some]


def _batches(sizes: Floats, wanted: Ints, rounds: int, free: Floats, leaning: bool) -> Iterator[tuple[Ints, Ints]]:
    """Each round one pod at most on a node: the nodes with most room after it, and those that ask for more of the
    first resource where more of that is left. sizes and free: as shares of a node. Yields nodes and rows of sizes."""
    least, middle = sizes.min(axis=0) - EPSILON, sizes.mean(axis=0)
    waiting = wanted.copy()
    for _ in range(rounds):
        chosen = np.flatnonzero((free >= least).all(axis=1))
        count = min(int(waiting.sum()), len(chosen))
        if not count:
            return
        if count < len(chosen):
            best = np.argpartition(-(free[chosen] - middle).min(axis=1), count - 1)[:count]
            chosen = np.sort(chosen[best])
        who = np.repeat(np.arange(len(sizes)), waiting)
        if leaning and len(sizes) > 1:
            have = free[chosen]
            chosen = chosen[np.argsort(have[:, 1] - have[:, 0], kind="stable")]
            who = who[np.argsort((sizes[:, 1] - sizes[:, 0])[who], kind="stable")]
        who = who[: len(chosen)]
        fits = (free[chosen] >= sizes[who] - EPSILON).all(axis=1)
        chosen, who = chosen[fits], who[fits]
        if not len(chosen):
            return
        free[chosen] -= sizes[who]
        waiting -= np.bincount(who, minlength=len(sizes))
        yield chosen, who


def _loads(nodes: Ints, tenants: Tenants, held: list[tuple[Ints, Ints]]) -> list[Load]:
    loads = [Load(t) for t in nodes.tolist()]
    if held:
        width = len(tenants.key)
        cells = np.concatenate([on * width + rows for on, rows in held])
        cells, pods = np.unique(cells, return_counts=True)
        keys = tenants.key[cells % width]
        for node, key, n in zip((cells // width).tolist(), keys.tolist(), pods.tolist(), strict=True):
            loads[node].pods[key] = n
    return loads


def _where(loads: list[Load], waiting: list[Pods]) -> dict[int, list[tuple[int, int]]]:
    """Service -> (node, pods) rows, of those that wait."""
    wanted = {pods.service for pods in waiting}
    found: dict[int, list[tuple[int, int]]] = {}
    for node, load in enumerate(loads):
        for service in wanted & load.pods.keys():
            found.setdefault(service, []).append((node, load.pods[service]))
    return found


def _exchanged(
    packer: Packer, tenants: Tenants, waiting: list[Pods], nodes: Ints, spare: Floats, spared: int | None
) -> bool:
    """What waits fits on the nodes when pods change places; nothing has changed where that is not found."""
    if len(nodes) * len(tenants.key) > MOST_CELLS or any(p.service == SPARE and p.count for p in waiting):
        return False
    rooms = packer.place.rooms[nodes].copy()
    column = {key: i for i, key in enumerate(tenants.key.tolist())}
    on = np.zeros((len(nodes), len(column)), np.int16)
    for node, load in enumerate(packer.loads):
        for service, n in load.pods.items():
            if service == SPARE:
                spared = node
            else:
                on[node, column[service]] = n
    if spared is not None:
        rooms[spared] -= spare
    exchange = Exchange(on, tenants.total, tenants.sizes, tenants.caps.astype(float), rooms)
    for pods in waiting:
        if not all(exchange.add(column[pods.service]) for _ in range(pods.count)):
            return False
    if not exchange.run(EXCHANGES, PATIENCE):
        return False
    for load, row in zip(packer.loads, exchange.on, strict=True):
        load.pods = {int(tenants.key[i]): int(row[i]) for i in np.flatnonzero(row).tolist()}
    if spared is not None:
        packer.loads[spared].pods[SPARE] = 1
    return True
