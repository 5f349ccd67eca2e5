"""A bound on the cost of all services for given prices of a replica in each place, by one pass up the call graph.

For prices that no set of machines can beat (scheduler.prices), the cost of a placement is at least the sum of its
replicas' prices plus its egress. The cheapest such sum is bounded from below level by level: with V(a) the least cost
of a callee and everything below it if all calls came from place a, a caller whose replicas are spread over places pays
at least the average of V over them, since the callee's own cost is the same for all. A callee with several callers is
shared among them in fixed parts. For call trees of services in one place each this is dynamic programming over the
tree; for the rest it is a relaxation. Callers: large. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from scheduler.grid import NEVER, Floats, Grid, Ints
from scheduler.problem import Spread
from scheduler.sizes import domain_cap


@dataclass(slots=True)
class Chain:
    """bound: no placement costs less. ahead: services x places, what all replicas there cost with all that they call.
    above: what all of it costs at least if the service is present there."""

    bound: float
    ahead: Floats
    present: Floats


class SpreadRows:
    """Services grouped by spread rule, and the domain of each place under each rule."""

    def __init__(self, grid: Grid) -> None:
        found: dict[Spread | None, list[int]] = defaultdict(list)
        for i, service in enumerate(grid.problem.services):
            found[service.spread].append(i)
        self.rows: dict[Spread | None, Ints] = {k: np.array(v, np.int64) for k, v in found.items()}
        self.rule_of = [s.spread for s in grid.problem.services]
        caps = ((i, domain_cap(s, "zone")) for i, s in enumerate(grid.problem.services))
        self.zone_caps = [(i, cap) for i, cap in caps if cap is not None]
        self.domains: dict[str, list[list[int]]] = {
            "zone": [[k] for k in range(len(grid.places))],
            "region": _members([p.region for p in grid.places]),
            "cloud": _members([p.cloud for p in grid.places]),
        }


def _members(names: list[str]) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for k, name in enumerate(names):
        found.setdefault(name, []).append(k)
    return list(found.values())


def bound_pass(grid: Grid, spreads: SpreadRows, price: Floats, charge: Floats | None = None) -> Chain:
    """price: services x places, of one replica; NEVER where it may not be. charge: what a service pays in each zone
    of a place that it is in, however many of its replicas are there."""
    calls = grid.calls
    ahead = np.minimum(grid.replicas[:, None] * price + grid.fixed, NEVER)
    present = np.zeros_like(ahead)
    called = np.zeros(grid.count, bool)
    called[calls.target[calls.kept]] = True
    bound = 0.0
    for level in range(int(grid.height.max(initial=0)) + 1):
        nodes = np.flatnonzero(grid.height == level)
        present[nodes] = with_presence(grid, spreads, nodes, ahead, charge)
        roots = nodes[~called[nodes]]
        bound += float(present[roots].min(axis=1).sum())
        edges = np.flatnonzero(calls.kept & (grid.height[calls.target] == level))
        if len(edges):
            np.add.at(ahead, calls.source[edges], seen_from(grid, edges, present))
            np.minimum(ahead, NEVER, out=ahead)
    return Chain(bound, ahead, present)


def seen_from(grid: Grid, edges: Ints, present: Floats) -> Floats:
    """edges x places: what the edge and its part of the callee cost at least, if all calls came from that place."""
    calls, width = grid.calls, len(grid.places)
    out = np.zeros((len(edges), width))
    for limit, prices in enumerate(grid.hop_price):
        rows = np.flatnonzero(calls.limit[edges] == limit)
        mine = edges[rows]
        cost = calls.share[mine][:, None] * present[calls.target[mine]]
        for a in range(width):
            hop = np.where(prices[a] >= NEVER, NEVER, calls.gb_per_hour[mine][:, None] * prices[a][None, :])
            out[rows, a] = (cost + hop).min(axis=1)
    return out


def with_presence(grid: Grid, spreads: SpreadRows, nodes: Ints, ahead: Floats, charge: Floats | None = None) -> Floats:
    """nodes x places: the least cost of each service with at least one replica in that place and its spread kept."""
    out = np.zeros((len(nodes), ahead.shape[1]))
    where = {int(n): i for i, n in enumerate(nodes)}
    by_rule: dict[Spread | None, list[int]] = defaultdict(list)
    for n in nodes.tolist():
        by_rule[spreads.rule_of[n]].append(n)
    for rule, members in by_rule.items():
        rows = np.array([where[n] for n in members], np.int64)
        each = ahead[members] / grid.replicas[members][:, None]
        opening = np.zeros_like(each) if charge is None else charge[members]
        out[rows] = _present(grid, spreads, rule, each, opening, grid.replicas[members])
    return np.minimum(out, NEVER)


def _present(
    grid: Grid, spreads: SpreadRows, rule: Spread | None, each: Floats, opening: Floats, replicas: Floats
) -> Floats:
    """each: cost of one replica. Without a rule: one replica there, the others all there or where they cost least."""
    least = each.min(axis=1, keepdims=True)
    r = replicas[:, None]
    if rule is None or (rule.min_domains <= 1 and rule.min_each <= 1):
        elsewhere = ((r - 1) * each + opening).min(axis=1, keepdims=True)
        alone: Floats = each + opening + np.minimum((r - 1) * each, elsewhere)
        return alone
    m, wanted = rule.min_each, rule.min_domains
    domain_least = np.full(each.shape, NEVER)  # per place: the cheapest place of its domain
    replica_least = np.full(each.shape, NEVER)
    columns: list[Floats] = []
    whole = each + opening / m  # m replicas of a domain in one place; in several they would pay more than one opening
    for members in spreads.domains[rule.over]:
        best = whole[:, members].min(axis=1)
        domain_least[:, members] = best[:, None]
        replica_least[:, members] = each[:, members].min(axis=1)[:, None]
        copies = int(min(wanted, grid.zones[members[0]])) if rule.over == "zone" else 1
        columns += [best] * copies
    ordered = np.sort(np.stack(columns, axis=1), axis=1)
    if ordered.shape[1] < wanted:
        return np.full(each.shape, NEVER)
    last = ordered[:, wanted - 1 : wanted]
    base = m * ordered[:, :wanted].sum(axis=1, keepdims=True) + (r - m * wanted) * least
    # m replicas in the place's domain with one of them in the place itself
    mine = np.maximum(each + opening + (m - 1) * replica_least, m * domain_least)
    extra = np.where(r > m * wanted, base + each + opening - least, NEVER)
    instead = base - m * last + mine
    result = np.where(domain_least <= last, base - m * domain_least + mine, np.minimum(extra, instead))
    placed: Floats = np.where(r < m * wanted, NEVER, np.maximum(result, 0.0))
    return placed
