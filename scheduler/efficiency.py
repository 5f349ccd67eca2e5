"""What a node pool's pods are worth beside its price, at the prices of the linear programs for this very placement.

Each place's program says which mix of machines would carry its pods if parts of machines could be bought; its duals
price every resource of every type so that no full machine is worth more than it costs (scheduler.prices). A pool whose
pods are worth 0.8 of its price wastes a fifth of it: on room that nobody uses, or on the wrong type. Callers: cli.
Pure.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from scheduler.chains import SpreadRows
from scheduler.eligibility import eligible_sites
from scheduler.grid import build_grid
from scheduler.large import Model
from scheduler.prices import kinds_of, replica_prices, start_prices
from scheduler.problem import Problem
from scheduler.shares import Shares
from scheduler.solve import canonical_problem
from scheduler.verdicts import Solved


@dataclass(frozen=True, slots=True, order=True)
class PoolWorth:
    """All nodes of one type in a site: their price, and what their pods are worth, per hour. services: whose pods."""

    site: str
    instance_type: str
    count: int
    price_per_hour: float
    worth_per_hour: float
    services: tuple[str, ...]

    @property
    def efficiency(self) -> float | None:
        """Worth by price; None where the nodes cost nothing."""
        return self.worth_per_hour / self.price_per_hour if self.price_per_hour > 0 else None


def pool_worths(problem: Problem, solved: Solved) -> tuple[PoolWorth, ...]:
    """Of every Kubernetes pool, sorted. Machines of VM services carry one replica each and are not priced by it."""
    problem = canonical_problem(problem)
    grid = build_grid(problem, eligible_sites(problem))
    row = {s.name: i for i, s in enumerate(problem.services)}
    column = {site.id: k for k, place in enumerate(grid.places) for site in place.sites}
    counts = np.zeros(grid.allowed.shape)
    for placed in solved.placement.services:
        for site_id, n in placed.replicas.items():
            counts[row[placed.service], column[site_id]] += n
    model = Model(grid, SpreadRows(grid), [kinds_of(grid, p) for p in grid.places], Shares(grid))
    pods = np.where(grid.dedicated, 0.0, grid.replicas)
    mixed = zip(model.mix(counts), grid.places, strict=True)
    prices = [m if m is not None else start_prices(p, grid.sizes, pods) for m, p in mixed]
    each = replica_prices(grid, prices)
    worth: defaultdict[tuple[str, str], float] = defaultdict(float)
    tenants: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for load in solved.packing:
        key = (load.site, load.instance_type)
        worth[key] += sum(float(each[row[name], column[load.site]]) * n for name, n in load.pods.items())
        tenants[key] |= set(load.pods)
    return tuple(
        sorted(
            PoolWorth(
                p.site,
                p.instance_type,
                p.count,
                p.price_per_hour * p.count,
                worth[p.site, p.instance_type],
                tuple(sorted(tenants[p.site, p.instance_type])),
            )
            for p in solved.placement.pools
            if not p.dedicated_to
        )
    )
