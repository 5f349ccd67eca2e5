"""A bound that knows what opening zones costs: the room for a rolling update, charged to the services that force it.

Every zone in use keeps room for one more replica of its largest surging service. At prices that no machine beats
(scheduler.prices) the room that service i forces on a zone is worth w_i there, so a zone's room costs at least
sum(l_i * w_i) over the services in it, for any parts l_i >= 0 with a sum of at most 1. Each service then pays l_i * w_i
where it is present, whatever the others do, and the pass up the call graph (scheduler.chains) bounds the rest: a
Lagrangean relaxation of the strong formulation of facility location (Erlenkotter 1978 for the way to good parts). The
parts are moved along subgradients, a fixed number of steps; the best bound counts. Callers: large. Pure, deterministic.
"""

from __future__ import annotations

import numpy as np

from scheduler.chains import Chain, SpreadRows, bound_pass
from scheduler.choose import Pull
from scheduler.grid import NEVER, Flags, Floats, Grid
from scheduler.prices import PlacePrices
from scheduler.sizes import ARM64, DISK, GPU

STEPS = 60
WORK = 60_000  # services times steps: rooms matter less, the larger the problem
FIRST_STEP, SHRINK = 2.0, 0.92  # of a whole charge, for the service that gains most


def room_worth(grid: Grid, prices: list[PlacePrices]) -> Floats:
    """services x places: what the room for one more replica is worth there; infinite where the service may not be or
    forces none."""
    sizes = grid.sizes.copy()
    sizes[:, [GPU, DISK, ARM64]] = 0.0
    asked = np.flatnonzero(sizes.any(axis=0)).tolist()
    worth = np.full(grid.allowed.shape, np.inf)
    forced = grid.allowed & (grid.surging & ~grid.dedicated)[:, None]
    for k, (place, found) in enumerate(zip(grid.places, prices, strict=True)):
        rows = np.flatnonzero(forced[:, k])
        for t in range(len(place.types) if len(rows) else 0):
            fits = np.ones(len(rows), bool)
            for axis in asked:
                fits &= sizes[rows, axis] <= place.rooms[t, axis]
            mine = np.where(fits, sizes[rows] @ found.per_unit[t], np.inf)
            worth[rows, k] = np.minimum(worth[rows, k], mine)
    return worth


def rooms_for_updates(grid: Grid, spreads: SpreadRows, prices: list[PlacePrices]) -> float:
    """What the rooms for rolling updates cost at least, beside all pods.

    A zone that a surging service is in keeps room for one more replica of it, and at these prices that room is worth as
    much as the pod would be. A service with a spread is in several zones, so for each service the cheapest zones that
    it could be in count; of all services the one for which this is most, since the others may be in the same zones.
    """
    if not grid.problem.rollout_headroom:
        return 0.0
    worth = room_worth(grid, prices)
    best = 0.0
    for rule, rows in spreads.rows.items():
        columns: list[Floats] = []
        for members in spreads.domains[rule.over if rule else "cloud"]:
            copies = int(grid.zones[members[0]]) if rule and rule.over == "zone" else 1
            columns += [worth[rows][:, members].min(axis=1)] * copies
        wanted = rule.min_domains if rule else 1
        least = np.sort(np.stack(columns, axis=1), axis=1)[:, :wanted].sum(axis=1)
        best = max(best, float(least[np.isfinite(least)].max(initial=0.0)))
    return best


def bound_with_rooms(grid: Grid, spreads: SpreadRows, each: Floats, prices: list[PlacePrices]) -> float:
    """No placement's pods, calls and rooms for updates cost less at these prices."""
    worth = room_worth(grid, prices)
    worth[~np.isfinite(worth)] = 0.0
    most = float(worth.max(initial=0.0))
    if not grid.problem.rollout_headroom or not most:
        return bound_pass(grid, spreads, each).bound
    chain = bound_pass(grid, spreads, each)
    best = chain.bound
    parts = _by_regret(grid, chain, worth)
    for step in range(min(STEPS, WORK // grid.count)):
        charge = parts * worth
        chain = bound_pass(grid, spreads, each, charge)
        best = max(best, chain.bound)
        there = present_places(grid, spreads, chain, charge)
        size = FIRST_STEP * SHRINK**step
        parts = _simplex(parts + size * np.where(there, worth, 0.0) / most)
    return best


def _costs(grid: Grid, chain: Chain) -> tuple[Floats, Floats]:
    """services x places: what the bound sees of a service being there, its callers where they are best off; and where
    each is then (one place each, as counts)."""
    costs, counts = chain.present.copy(), np.zeros_like(chain.present)
    for level in range(int(grid.depth.max(initial=0)) + 1):
        nodes = np.flatnonzero(grid.depth == level)
        costs[nodes] = np.minimum(chain.present[nodes] + Pull(grid, nodes, counts).single(), NEVER)
        counts[nodes, costs[nodes].argmin(axis=1)] = grid.replicas[nodes]
    return costs, counts


def _by_regret(grid: Grid, chain: Chain, worth: Floats) -> Floats:
    """First parts: each service carries of its best place's room what the second best would cost it more, those that
    force the largest room first."""
    costs, counts = _costs(grid, chain)
    home = counts.argmax(axis=1)
    every = np.arange(grid.count)
    first = costs[every, home]
    others = costs.copy()
    others[every, home] = np.inf
    regret = others.min(axis=1, initial=np.inf) - first if costs.shape[1] > 1 else np.full(grid.count, np.inf)
    parts = np.zeros_like(worth)
    for k in range(worth.shape[1]):
        rows = np.flatnonzero((home == k) & (worth[:, k] > 0))
        rows = rows[np.argsort(-worth[rows, k], kind="stable")]
        want = np.minimum(1.0, regret[rows] / worth[rows, k])
        before = np.concatenate([[0.0], np.cumsum(want)[:-1]])
        parts[rows, k] = np.clip(1.0 - before, 0.0, want)
    return parts


def present_places(grid: Grid, spreads: SpreadRows, chain: Chain, charge: Floats) -> Flags:
    """services x places: where the relaxed answer has replicas, spreads included."""
    _, counts = _costs(grid, chain)
    there = counts > 0
    each = chain.ahead / grid.replicas[:, None]
    for rule, rows in spreads.rows.items():
        if rule is None:
            rest = (grid.replicas[rows] - 1)[:, None] * each[rows]
            home = counts[rows].argmax(axis=1)
            second = np.where(np.arange(each.shape[1])[None, :] == home[:, None], 0.0, charge[rows]) + rest
            there[rows, second.argmin(axis=1)] |= grid.replicas[rows] > 1
            continue
        cost = each[rows] + charge[rows] / rule.min_each
        best, columns = [], []
        for members in spreads.domains[rule.over]:
            copies = int(grid.zones[members[0]]) if rule.over == "zone" else 1
            local = cost[:, members]
            best += [local.min(axis=1)] * copies
            columns += [np.array(members)[local.argmin(axis=1)]] * copies
        order = np.argsort(np.stack(best, axis=1), axis=1, kind="stable")[:, : rule.min_domains]
        chosen = np.take_along_axis(np.stack(columns, axis=1), order, axis=1)
        there[rows[:, None], chosen] = True
    return there


def _simplex(parts: Floats) -> Floats:
    """Each column's nearest point with no negative entry and a sum of at most 1 (Held, Wolfe and Crowder 1974)."""
    parts = np.maximum(parts, 0.0)
    for k in np.flatnonzero(parts.sum(axis=0) > 1.0).tolist():
        ordered = np.sort(parts[:, k])[::-1]
        excess = np.cumsum(ordered) - 1.0
        count = int(np.flatnonzero(ordered - excess / np.arange(1, len(ordered) + 1) > 0)[-1]) + 1
        parts[:, k] = np.maximum(parts[:, k] - excess[count - 1] / count, 0.0)
    return parts
