"""What runs already stays: replicas in their zones, nodes in their pools; only what changed is placed beside it.

Callers: solve and at_scale. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from scheduler.aside import side_by_side
from scheduler.bulk import Load
from scheduler.check import broken_rules, weight_of
from scheduler.consolidate import spare_size
from scheduler.eligibility import Eligibility
from scheduler.grid import Floats
from scheduler.large import Large, complete_from, node_loads, own_machines, with_spares
from scheduler.nodes import Complete
from scheduler.problem import NodeLoad, Problem, ServiceDemand
from scheduler.refill import EPSILON, price_of, refill
from scheduler.resident import on_their_nodes
from scheduler.site_packing import pack_site

MOSTLY = 0.5  # share of the services that must run already for staying to be tried


def runs_mostly(problem: Problem) -> bool:
    return sum(1 for s in problem.services if s.current) >= MOSTLY * len(problem.services) > 0


def arrivals(problem: Problem, done: Complete) -> int:
    """Replicas that start where none of their service was."""
    return sum(
        max(0, count - problem.service_by_name[name].current.get(site, 0))
        for name, sites in done.assignment.items()
        for site, count in sites.items()
    )


def moving_cost(problem: Problem, done: Complete) -> float:
    """Cost per hour plus the charge for replicas and machines that are new."""
    return weight_of(problem, done.assignment, done.pools) + moving_charge(problem, done)


def moving_charge(problem: Problem, done: Complete) -> float:
    """What replicas and machines that are new must be worth per hour."""
    existing = {(p.site, p.instance_type, p.dedicated_to): p.count for p in problem.current_pools}
    started = sum(
        max(0, p.count - existing.get((p.site, p.instance_type, ""), 0)) for p in done.pools if not p.dedicated_to
    )
    return problem.migration_cost_per_replica * (arrivals(problem, done) + started)


def place_beside(problem: Problem, eligibility: Eligibility, large: Large) -> Complete | None:
    """Everything that runs stays; replicas that are too many go, new ones join the others of their service. None where
    a rule is broken so.

    Where pods cannot keep their nodes (new rules for these, or limits of machines), they keep their zones.
    """
    grid = large.model.grid
    where = {s.id: (k, z) for k, p in enumerate(grid.places) for z, s in enumerate(p.sites)}
    zoned = [np.zeros((grid.count, len(p.sites))) for p in grid.places]
    fresh: list[int] = []
    for i, service in enumerate(problem.services):
        sites = _adjusted(service, eligibility.allowed[service.name])
        if not sites:
            fresh.append(i)
        for site_id, count in sites.items():
            k, z = where[site_id]
            zoned[k][i, z] = count
    if fresh:
        counts = large.chosen()
        if counts is None:
            return None
        for i in fresh:
            for k in np.flatnonzero(counts[i]).tolist():
                zoned[k][i, 0] = counts[i, k]
    for nodes in (problem.current_nodes, ()) if problem.current_nodes else ((),):
        done = _packed(problem, large, zoned, nodes)
        if done is not None and not broken_rules(problem, done.assignment, done.pools, done.packing):
            return done
    return None


def _adjusted(service: ServiceDemand, allowed: tuple[str, ...]) -> dict[str, int]:
    """Its current sites with as many replicas as it wants now: the largest site takes up the difference."""
    permitted = set(allowed)
    sites = {site: n for site, n in sorted(service.current.items()) if n > 0 and site in permitted}
    while sites and sum(sites.values()) > service.replicas:
        most = max(sites, key=lambda s: (sites[s], s))
        sites[most] -= 1
        if not sites[most]:
            del sites[most]
    if sites:
        sites[max(sites, key=lambda s: (sites[s], s))] += service.replicas - sum(sites.values())
    return sites


def _packed(problem: Problem, large: Large, zoned: list[Floats], known: Sequence[NodeLoad]) -> Complete | None:
    grid = large.model.grid
    running: dict[str, Counter[str]] = defaultdict(Counter)
    for pool in problem.current_pools:
        if not pool.dedicated_to:
            running[pool.site][pool.instance_type] += pool.count
    nodes: dict[str, list[NodeLoad]] = defaultdict(list)
    for node in known:
        nodes[node.site].append(node)
    spares = int(problem.spare_node_per_pool)

    def pack(zone: tuple[int, int]) -> tuple[list[Load] | None, bool]:
        """The nodes, and whether they are those that are there, in their order."""
        k, z = zone
        place, mine = grid.places[k], zoned[k][:, z]
        number = {t.name: i for i, t in enumerate(place.types)}
        now = sorted(running[place.sites[z].id].items())
        existing = [number[n] for n, count in now if n in number for _ in range(count - spares)]
        spare, kinds = spare_size(grid, mine), large.model.kinds[k]
        stayed = on_their_nodes(
            grid, place, kinds, large.prices[k], mine, large.each[:, k], spare, nodes[place.sites[z].id]
        )
        rows = (grid, place, kinds, mine, spare, existing)
        if stayed is not None and not stayed[1]:
            return stayed[0], True
        anew = refill(*rows) or pack_site(*rows)
        if stayed is None or (anew is not None and price_of(place, anew) < price_of(place, stayed[0]) - EPSILON):
            return anew, False
        return stayed[0], True

    loads: list[NodeLoad] = []
    own: dict[tuple[str, str, str], int] = {}
    zones = [(k, z) for k, place in enumerate(grid.places) for z in range(len(place.sites)) if zoned[k][:, z].any()]
    for (k, z), (packed, stayed) in zip(zones, side_by_side(pack, zones), strict=True):
        if packed is None:
            return None
        site = grid.places[k].sites[z]
        loads += node_loads(grid, k, site.id, with_spares(grid, packed), ordered=stayed)
        own.update(own_machines(grid, zoned[k][:, z], site))
    return complete_from(grid, zoned, loads, own)
