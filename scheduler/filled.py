"""Fills what is free on the machines of a region's small zones with pods of its large one.

A service that is spread over two zones has its second replicas in a zone with few machines, and the last of these is
half empty. Which of a region's equal zones the other pods are in decides nothing where calls between zones cost
nothing, so they go where room is paid for already, and the large zone buys less. No zone's room for updates grows by
it. Callers: large, pooled. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.aside import side_by_side
from scheduler.bulk import SPARE, Load
from scheduler.consolidate import spare_size
from scheduler.grid import Flags, Floats, Grid, Ints, Place
from scheduler.prices import Kinds, mix_prices
from scheduler.problem import Edge
from scheduler.site_packing import demand_of, pack_site
from scheduler.sizes import DIMENSIONS, node_cap
from scheduler.traffic import hop_between

EPSILON = 1e-9
MANY = 10_000  # pods of a first zone from which on its region is packed as it is: a few machines are nothing there
FEW = 1_000  # pods of a first zone up to which it is packed both ways: in small ones luck decides as much
WEIGHTS = (0.0, 0.5, 1.0, 2.0)  # of a pod's worth against how well it suits the free room; the best of these counts


def packed_zones(
    grid: Grid, kinds: Sequence[Kinds], zoned: Sequence[Floats]
) -> tuple[list[Floats], dict[tuple[int, int], list[Load] | None]]:
    """Per place: services x zones as they are in the end; and (place, zone) -> nodes, None where a pod fits nowhere.

    The first zone of each place, which has most, is packed after the others, unless it is large; a small one with and
    without what could be in these.
    """
    counts = list(zoned)

    def pack(zone: tuple[int, int, Floats]) -> list[Load] | None:
        k, z, mine = zone
        return pack_site(grid, grid.places[k], kinds[k], mine[:, z], spare_size(grid, mine[:, z]))

    further = [(k, z) for k, mine in enumerate(zoned) for z in range(1, mine.shape[1]) if mine[:, z].any()]
    large = [(k, 0) for k, mine in enumerate(zoned) if mine[:, 0].sum() > MANY]
    at_once = large + further
    found = dict(zip(at_once, side_by_side(pack, [(k, z, zoned[k]) for k, z in at_once]), strict=True))
    able = free_to_move(grid) if further else np.zeros(grid.count, bool)
    tries: list[tuple[int, Floats, list[list[Load]]]] = []
    for k, mine in enumerate(zoned):
        if (k, 0) in found:
            continue
        loads = [found.get((k, z)) or [] for z in range(1, mine.shape[1])]
        more = _filled_place(grid, k, kinds[k], mine, loads, able) if any(loads) else None
        if more is not None:
            tries.append((k, *more))
        if more is None or mine[:, 0].sum() <= FEW:
            tries.append((k, mine, loads))
    least: dict[int, float] = {}
    firsts = side_by_side(pack, [(k, 0, mine) for k, mine, _ in tries])
    for (k, mine, loads), packed in zip(tries, firsts, strict=True):
        price = np.inf if packed is None else float(grid.places[k].prices[[load.kind for load in packed]].sum())
        if k not in least or price < least[k] - EPSILON:
            least[k], counts[k], found[k, 0] = price, mine, packed
            found.update({(k, z): rows for z, rows in enumerate(loads, 1) if rows})
    return counts, found


def _filled_place(
    grid: Grid, k: int, kinds: Kinds, zoned: Floats, loads: Sequence[Sequence[Load]], able: Flags
) -> tuple[Floats, list[list[Load]]] | None:
    """With the free room of its further zones (loads) used; None where that may not be or nothing fits."""
    place = grid.places[k]
    here = np.flatnonzero((zoned[:, 0] > 0) & ~grid.dedicated)
    if grid.problem.spare_node_per_pool or not calls_are_free(grid, place):
        return None
    prices = mix_prices(place, kinds, demand_of(grid, kinds, here, zoned[:, 0]), tidy=True, zones=1)
    if prices is None:
        return None
    worth = np.where(place.fits, grid.sizes @ prices.per_unit.T, np.inf).min(axis=1, initial=np.inf)
    counts, nodes = zoned.copy(), [[Load(load.kind, dict(load.pods)) for load in rows] for rows in loads]
    for z, rows in enumerate(nodes, 1):
        left = spare_replicas(grid, able & np.isfinite(worth), counts)
        moved = filled(grid, place, rows, spare_size(grid, zoned[:, z]), left, worth)
        counts[:, z] += moved
        counts[:, 0] -= moved
    return (counts, nodes) if (counts != zoned).any() else None


def free_to_move(grid: Grid) -> Flags:
    """Services of which any replica may be in another zone of its region, as far as rules for zones and nodes go;
    whether its spread still holds is judged by the caller."""
    problem = grid.problem
    tied = {rule.service for s in problem.services for rule in s.apart}
    tied |= {e.callee for s in problem.services for e in s.edges if e.within == "zone"}
    return np.array([
        not (s.dedicated or s.apart or s.max_per or s.survives or s.pinned or s.dearer or s.max_spot_share > 0)
        and s.name not in tied and not any(e.within == "zone" for e in s.edges)
        for s in problem.services
    ], bool)  # fmt: skip


def calls_are_free(grid: Grid, place: Place) -> bool:
    """Whether calls between the region's zones cost nothing and keep every limit."""
    limits = {(e.max_rtt_ms, e.within) for s in grid.problem.services for e in s.edges if e.within != "zone"}
    probes = [Edge(callee="", max_rtt_ms=rtt, within=within) for rtt, within in sorted(limits, key=str)]
    hops = [hop_between(grid.problem, place.region, place.region, probe) for probe in probes]
    return all(hop is not None and hop.price_per_gb <= 0 for hop in hops)


def spare_replicas(grid: Grid, able: Flags, zoned: Floats) -> Ints:
    """Per service: how many replicas may leave the first zone of a place. zoned: services x zones."""
    left = np.zeros(grid.count, np.int64)
    for i in np.flatnonzero(able & (zoned[:, 0] > 0)).tolist():
        rule = grid.problem.services[i].spread
        keep = rule.min_each if rule is not None and rule.over == "zone" else 0
        left[i] = max(0, int(zoned[i, 0]) - keep)
    return left


def filled(grid: Grid, place: Place, loads: Sequence[Load], spare: Floats, left: Ints, worth: Floats) -> Ints:
    """Puts pods on the nodes of one zone where there is room; how many of each service.

    spare: the zone's room for updates. left: how many of each there are, worth: what one is worth elsewhere.
    """
    moved = np.zeros(grid.count, np.int64)
    allowed = (left > 0) & (worth > 0) & (~grid.surging | (grid.sizes <= spare).all(axis=1))
    services = np.flatnonzero(allowed)
    caps = np.array([node_cap(grid.problem, grid.problem.services[i]) for i in services.tolist()], np.int64)
    for load in loads:
        room = place.rooms[load.kind]
        free = room - _carried(grid, load, spare)
        here = np.array([load.pods.get(i, 0) for i in services.tolist()], np.int64)
        most = np.minimum(left[services] - moved[services], caps - here)
        for at, count in _best_fill(grid.sizes[services], np.maximum(most, 0), worth[services], room, free):
            i = int(services[at])
            load.pods[i] = load.pods.get(i, 0) + count
            moved[i] += count
    return moved


def _carried(grid: Grid, load: Load, spare: Floats) -> Floats:
    total = np.zeros(DIMENSIONS)
    for i, count in load.pods.items():
        total += (spare if i == SPARE else grid.sizes[i]) * count
    return total


def _best_fill(sizes: Floats, most: Ints, worth: Floats, room: Floats, free: Floats) -> list[tuple[int, int]]:
    """(row, pods) that fit: the best of several ways to weigh how much a pod is worth against how well it suits the
    free room."""
    fills = [_fill(sizes, most.copy(), worth, room, free.copy(), weight) for weight in WEIGHTS]
    return max(fills, key=lambda fill: sum(float(worth[at]) * count for at, count in fill))


def _fill(sizes: Floats, most: Ints, worth: Floats, room: Floats, free: Floats, weight: float) -> list[tuple[int, int]]:
    """Pod by pod the one that is most like the free room, larger ones first as weight says."""
    chosen: dict[int, int] = {}
    used = sizes.any(axis=0)
    share = sizes[:, used] / np.maximum(room[used], EPSILON)
    length = np.maximum(np.sqrt((share * share).sum(axis=1)), EPSILON)
    large = worth / max(float(worth.max(initial=0.0)), EPSILON)
    able = np.arange(len(sizes))
    while True:
        able = able[(most[able] > 0) & (sizes[able] <= free + EPSILON).all(axis=1)]
        if not len(able):
            return sorted(chosen.items())
        open_ = free[used] / np.maximum(room[used], EPSILON)
        like = share[able] @ open_ / length[able] / max(float(np.sqrt(open_ @ open_)), EPSILON)
        pick = int(able[int(np.argmax(like + weight * large[able]))])
        chosen[pick] = chosen.get(pick, 0) + 1
        most[pick] -= 1
        free -= sizes[pick]
