"""Places for services that nothing ties to one, and a bound, by patterns of all places at once (scheduler.cutting).

A service without calls may be anywhere it is allowed, in parts, too: jobs on GPUs, for instance. Where pods of a size
are many, what they cost depends on what else is on the same machines, so one program over the patterns of all places
says where they cost least together; what is tied to others stays where it was placed. The program's duals, lowered
until no machine beats its price, give a bound as well. Callers: large. Pure and deterministic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scheduler.chains import SpreadRows, bound_pass
from scheduler.cutting import PODS_A_ROW, Cut, Stock, cut
from scheduler.filled import free_to_move
from scheduler.fillings import fitting
from scheduler.grid import NEVER, Flags, Floats, Grid, Ints
from scheduler.sizes import node_cap

MOST_ROWS, MOST_TYPES = 400, 1_500  # beyond, arrays of both and the rounds take too long
ABSENT = 1e-3  # demand, in parts of a service's replicas, where it is not: so that what it would cost there is known
PATIENCE = 20  # rounds of new patterns that may gain little: the bound rises late
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Pooled:
    """counts: services x places, replicas. bound: no placement costs less."""

    counts: Floats
    bound: float


def pooled_places(grid: Grid, spreads: SpreadRows, counts: Floats) -> Pooled | None:
    """Those counts with the free services elsewhere. None where none is free, their pods of a size are few, the rows
    would be too many, or limits leave pods out."""
    pool = pool_of(grid, counts)
    found = cut(pool.stock, patience=PATIENCE) if pool is not None else None
    if pool is None or found is None:
        return None
    return Pooled(pool.spread_out(found, counts), pool.bound(found, spreads))


@dataclass(slots=True)
class Pool:
    """Pods of one size that may be in the same places are a row, and so are those of one size and place that are tied.

    row: services x places, NOWHERE where there is none. place: per type of the stock. free: services.
    """

    grid: Grid
    free: Flags
    row: Ints
    place: Ints
    stock: Stock

    def spread_out(self, found: Cut, counts: Floats) -> Floats:
        """Counts with the free services where the program has them, whole replicas."""
        width = len(self.grid.places)
        by_place = found.carried(self.place[found.kinds], width)
        out = counts.copy()
        for row in np.unique(self.row[self.free].max(axis=1)).tolist():
            services = np.flatnonzero(self.free & (self.row.max(axis=1) == row))
            left = _whole(by_place[:, row], int(self.grid.replicas[services].sum()))
            for i in services.tolist():
                need = int(self.grid.replicas[i])
                for k in range(width):
                    n = min(need, int(left[k]))
                    out[i, k] = n
                    left[k] -= n
                    need -= n
        return out

    def bound(self, found: Cut, spreads: SpreadRows) -> float:
        """No placement costs less."""
        each = np.where(self.row == NOWHERE, self.grid.own_price, found.worth[self.row])
        price = np.where(self.grid.allowed, np.minimum(each, NEVER), NEVER)
        owed: float = sum(due * most for due, (_, most) in zip(found.dues.tolist(), self.stock.limits, strict=True))
        return float(bound_pass(self.grid, spreads, price).bound - owed)


def pool_of(grid: Grid, counts: Floats) -> Pool | None:
    """None as in `pooled_places`, limits apart."""
    free = _free(grid)
    if not free.any():
        return None
    place = np.repeat(np.arange(len(grid.places)), [len(p.types) for p in grid.places])
    if len(place) > MOST_TYPES:
        return None
    rooms = np.concatenate([p.rooms for p in grid.places])
    row = np.full(grid.allowed.shape, NOWHERE, np.int64)
    numbers: dict[tuple[object, ...], int] = {}
    room_for: dict[bytes, float] = {}
    for i in np.flatnonzero(~grid.dedicated).tolist():
        size = grid.sizes[i].tobytes()
        if size not in room_for:
            room_for[size] = float(fitting(grid.sizes[i : i + 1], rooms).max(initial=0.0))
        alone = i if node_cap(grid.problem, grid.problem.services[i]) < min(room_for[size], grid.replicas[i]) else None
        together = grid.allowed[i].tobytes() if free[i] else b""
        for k in np.flatnonzero(grid.allowed[i]).tolist():
            row[i, k] = numbers.setdefault((size, alone, together or k), len(numbers))
        if len(numbers) > MOST_ROWS:
            return None
    if grid.replicas[free].sum() < PODS_A_ROW * len(np.unique(row[free].max(axis=1))):
        return None
    return Pool(grid, free, row, place, _stock(grid, free, row, place, rooms, len(numbers), counts))


def _stock(grid: Grid, free: Flags, row: Ints, place: Ints, rooms: Floats, rows: int, counts: Floats) -> Stock:
    sizes, demand, caps = np.zeros((rows, rooms.shape[1])), np.zeros(rows), np.zeros(rows)
    able, needed = np.zeros((rows, len(grid.places)), bool), np.zeros(rows, bool)
    for i in np.flatnonzero(~grid.dedicated).tolist():
        here = np.flatnonzero(row[i] != NOWHERE)
        mine = row[i, here]
        sizes[mine] = grid.sizes[i]
        able[mine, here] = True
        for r in np.unique(mine).tolist():
            k = here[mine == r]
            wanted = float(grid.replicas[i] if free[i] else counts[i, k].sum())
            needed[r] |= wanted > 0
            demand[r] += max(wanted, ABSENT * grid.replicas[i])
            caps[r] += node_cap(grid.problem, grid.problem.services[i])
    prices = np.concatenate([p.prices for p in grid.places])
    return Stock(sizes, demand, caps, rooms, prices, able[:, place], _limits(grid, place), ~needed)


def _limits(grid: Grid, place: Ints) -> list[tuple[Floats, float]]:
    """Types of which there are only so many, machines of a place's zones, vCPUs of a region. All zones of a place count
    together, as a bound may; where one of them is full the placement is not taken."""
    found: list[tuple[Floats, float]] = []
    limits = np.concatenate([p.limits * len(p.sites) for p in grid.places])
    for t in np.flatnonzero(np.isfinite(limits)).tolist():
        alone = np.zeros(len(limits))
        alone[t] = 1.0
        found.append((alone, float(limits[t])))
    for k, p in enumerate(grid.places):
        machines = [s.max_machines for s in p.sites]
        if None not in machines:
            found.append(((place == k).astype(float), float(sum(n for n in machines if n is not None))))
    vcpu = np.concatenate([p.vcpu for p in grid.places])
    regions = np.array([p.region for p in grid.places])[place]
    quotas = grid.problem.region_quota_vcpu
    found += [(np.where(regions == region, vcpu, 0.0), quotas[region]) for region in sorted(quotas)]
    return [(weights, most) for weights, most in found if math.isfinite(most)]


def _free(grid: Grid) -> Flags:
    """Services without calls, users, spread and quotas that may be in more than one place."""
    called = np.zeros(grid.count, bool)
    called[grid.calls.target] = True
    teams = {quota.team for quota in grid.problem.team_quotas}
    alone = [not (s.edges or s.spread or s.users or s.team in teams) for s in grid.problem.services]
    found: Flags = free_to_move(grid) & ~called & np.array(alone, bool) & (grid.allowed.sum(axis=1) > 1)
    return found


def _whole(parts: Floats, total: int) -> Ints:
    """Whole numbers in about these proportions, with that sum (largest remainders)."""
    scaled = parts * (total / max(float(parts.sum()), 1e-12))
    found = np.floor(scaled + 1e-9).astype(np.int64)
    order = np.argsort(-(scaled - found), kind="stable")
    found[order[: total - int(found.sum())]] += 1
    return found
