"""A Problem as arrays, for problems with thousands of services: what the bound and the choice of places compute with.

A `place` is a group of interchangeable zones (scheduler.pruning.site_classes), so prices and calls are the same in all
of it. Calls within a place are counted as free and within the limit: true where caller and callee share a zone, and
never more than the truth otherwise, so a bound computed here is a bound on the Problem. Callers: large. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scheduler.eligibility import Eligibility
from scheduler.problem import Edge, InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.pruning import site_classes
from scheduler.sizes import AMD64, ARM64, DIMENSIONS, ON_DEMAND, PODS, loose_size, room, size_of
from scheduler.traffic import hop_to_external, hops_to_service

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

Limit = tuple[float | None, str]  # of an edge: max_rtt_ms, within

NEVER = 1e9  # stands for "not possible" in sums of prices; any real total is far below


@dataclass(slots=True)
class Place:
    """Interchangeable zones, the types worth buying there, and what each has room for."""

    sites: list[SiteOffer]
    types: list[InstanceOffer]
    rooms: Floats  # types x resources, in the order of scheduler.sizes
    usable: Floats  # types x resources: the most of a room that whole pods can fill
    prices: Floats
    vcpu: Floats
    fits: Flags  # services x types: an empty node holds one replica
    limits: Floats  # of each type there are only so many per zone; infinite for no limit

    @property
    def region(self) -> str:
        return self.sites[0].region

    @property
    def cloud(self) -> str:
        return self.sites[0].cloud


@dataclass(slots=True)
class Calls:
    """Edges between services. share: the part of the callee's cost that the bound charges to this edge (sum 1 over
    its callers). kept: not part of a cycle, so the bound may follow it."""

    source: Ints
    target: Ints
    gb_per_hour: Floats
    limit: Ints  # index into Grid.hop_price
    share: Floats
    kept: Flags


@dataclass(slots=True)
class Grid:
    """Rows are services in the Problem's order, columns are places."""

    problem: Problem
    places: list[Place]
    replicas: Floats
    sizes: Floats  # services x resources; what may be partly on spot machines asks for no other ones here
    dedicated: Flags
    surging: Flags  # a rollout starts a new replica before it ends an old one
    allowed: Flags
    fixed: Floats  # services x places: calls to externals, per hour, if all replicas are there
    own_price: Floats  # services x places: a machine of its own, per replica; 0 for pods
    hop_price: list[Floats]  # per latency limit: places x places, NEVER where it cannot or may not go
    calls: Calls
    height: Ints  # longest chain of kept calls below
    depth: Ints  # longest chain of kept calls above
    zones: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def count(self) -> int:
        return len(self.replicas)


def build_grid(problem: Problem, eligibility: Eligibility) -> Grid:
    """The arrays of a canonical Problem; what runs now decides nothing here."""
    services = problem.services
    index = {s.name: i for i, s in enumerate(services)}
    somewhere = {i for site_ids in set(eligibility.allowed.values()) for i in site_ids}
    groups = [g for g in site_classes(problem, eligibility, aware=False) if g[0].id in somewhere]
    sizes = np.array([_least_size(s) for s in services], float).reshape(-1, DIMENSIONS)
    sizes[:, _idle_slots(problem)] = 0.0
    dedicated = np.array([s.dedicated for s in services], bool)
    allowed = _allowed(services, groups, eligibility)
    places = [_place(problem, g, sizes, sizes[allowed[:, k] & ~dedicated]) for k, g in enumerate(groups)]
    own = np.zeros(allowed.shape)
    for k, group in enumerate(groups if dedicated.any() else ()):
        own[dedicated, k] = _own_prices(problem, group[0], sizes[dedicated])
    limits, calls = _calls(problem, index)
    hops = [_hop_prices(problem, places, limit) for limit in limits]
    height, depth = _levels(len(services), calls)
    return Grid(
        problem=problem,
        places=places,
        replicas=np.array([s.replicas for s in services], float),
        sizes=sizes,
        dedicated=dedicated,
        surging=np.array([s.surge for s in services], bool),
        allowed=allowed,
        fixed=_externals(problem, groups),
        own_price=own,
        hop_price=hops,
        calls=calls,
        height=height,
        depth=depth,
        zones=np.array([len(g) for g in groups], np.int64),
    )


def _allowed(services: tuple[ServiceDemand, ...], groups: list[list[SiteOffer]], eligibility: Eligibility) -> Flags:
    """services x places. Most services share their sites with many others."""
    firsts = [g[0].id for g in groups]
    known = {ids: [first in set(ids) for first in firsts] for ids in set(eligibility.allowed.values())}
    return np.array([known[eligibility.allowed[s.name]] for s in services], bool).reshape(-1, len(groups))


def _place(problem: Problem, group: list[SiteOffer], sizes: Floats, shapes: Floats) -> Place:
    """sizes: of all services; shapes: of the pods that may be there."""
    types = sorted(_undominated(problem, group[0]), key=lambda t: (t.price_per_hour, t.name))
    rooms = np.array([room(problem, t) for t in types], float).reshape(-1, DIMENSIONS)
    fits: Flags = np.ones((len(sizes), len(types)), bool)
    for axis in np.flatnonzero(sizes.any(axis=0)).tolist():
        fits &= sizes[:, axis, None] <= rooms[None, :, axis]
    prices = np.array([t.price_per_hour for t in types], float)
    usable = np.stack([_fillable(shapes[:, axis], rooms[:, axis]) for axis in range(DIMENSIONS)], axis=1)
    spare = int(problem.spare_node_per_pool)
    limits = np.array([np.inf if t.max_count is None else max(0, t.max_count - spare) for t in types], float)
    return Place(group, types, rooms, usable, prices, np.array([t.vcpu for t in types], float), fits, limits)


def _least_size(service: ServiceDemand) -> tuple[int, ...]:
    """What a replica asks for at least; a bound may take it that all those that could be are on spot machines."""
    return loose_size(service) if service.max_spot_share > 0 else size_of(service)


def _idle_slots(problem: Problem) -> list[int]:
    """Slots that every machine has or that nobody needs: they decide nothing and cost time."""
    offers = {t for site in problem.sites for t in site.types}
    idle = [] if any(t.spot for t in offers) else [ON_DEMAND]
    if all(t.arch == "amd64" for t in offers) and all("amd64" in s.architectures for s in problem.services):
        idle += [AMD64, ARM64]
    return idle


def _fillable(sizes: Floats, rooms: Floats) -> Floats:
    """For each room the largest sum of sizes, each taken any number of times, that is not above it.

    Three pods of 600 fill 1,800 of 1,900: the other 100 are paid for and of no use, so a bound may say so.
    """
    most = int(rooms.max(initial=0.0))
    sums, mask = 1, (1 << (most + 1)) - 1
    top = mask ^ ((1 << int(rooms.min(initial=most))) - 1)
    for size in np.unique(sizes[(sizes > 0) & (sizes <= most)]).astype(np.int64).tolist():
        step = size
        while step <= most:
            sums |= (sums << step) & mask
            step *= 2
        if sums & top == top and top:
            break  # every room between the smallest and the largest can be filled to the last unit
    return np.array([float((sums & ((1 << (int(r) + 1)) - 1)).bit_length() - 1) for r in rooms])


def _undominated(problem: Problem, site: SiteOffer) -> list[InstanceOffer]:
    """Types that may be had at all and that no other one beats in room, price and vCPUs alike; of equal ones the first
    by name."""
    kept: list[InstanceOffer] = []
    rows: list[tuple[float, ...]] = []
    for offer in sorted(
        _to_be_had(problem, site), key=lambda t: (t.price_per_hour, [-r for r in room(problem, t)], t.vcpu, t.name)
    ):
        mine = (*room(problem, offer), -offer.vcpu)
        if not any(all(a >= b for a, b in zip(row, mine, strict=True)) for row in rows):
            kept.append(offer)
            if offer.max_count is None:
                rows.append(mine)
    return kept


def _to_be_had(problem: Problem, site: SiteOffer) -> list[InstanceOffer]:
    """Types of which the site's and its region's limits allow one machine."""
    quota = problem.region_quota_vcpu.get(site.region, np.inf)
    return [t for t in site.types if t.vcpu <= quota and site.max_machines != 0]


def _own_prices(problem: Problem, site: SiteOffer, sizes: Floats) -> Floats:
    best = np.full(len(sizes), NEVER)
    axes = [a for a in range(DIMENSIONS) if a != PODS]
    for offer in _to_be_had(problem, site):
        have = np.array(room(problem, offer, True), float)
        fits = (sizes[:, axes] <= have[axes]).all(axis=1)
        best = np.where(fits, np.minimum(best, offer.price_per_hour), best)
    return best


def _externals(problem: Problem, groups: list[list[SiteOffer]]) -> Floats:
    """What calls to externals cost, and preferences, per service and place; a price per GB is looked up once a kind."""
    fixed = np.zeros((len(problem.services), len(groups)))
    kinds: dict[tuple[str, float | None, str], int] = {}
    prices: list[list[float]] = []
    calls: list[tuple[int, int, float]] = []
    for i, service in enumerate(problem.services):
        for k, group in enumerate(groups if service.dearer else ()):
            fixed[i, k] = service.replicas * service.dearer.get(group[0].id, 0.0)
        for edge in service.edges:
            if edge.callee in problem.external_by_name:
                kind = kinds.setdefault((edge.callee, edge.max_rtt_ms, edge.within), len(kinds))
                if kind == len(prices):
                    hops = [hop_to_external(problem, group[0].region, edge) for group in groups]
                    prices.append([hop.price_per_gb if hop else NEVER for hop in hops])
                calls.append((i, kind, edge.gb_per_hour))
    if calls:
        who, which, gb = (np.array(column) for column in zip(*calls, strict=True))
        per_gb = np.array(prices)[which]
        np.add.at(fixed, who, np.where(per_gb < NEVER, per_gb * gb[:, None], NEVER))
    return fixed


def _calls(problem: Problem, index: dict[str, int]) -> tuple[list[Limit], Calls]:
    limits: list[Limit] = []
    rows: list[tuple[int, int, float, int]] = []
    for i, service in enumerate(problem.services):
        for edge in service.edges:
            if edge.callee in index:
                limit = (edge.max_rtt_ms, edge.within)
                if limit not in limits:
                    limits.append(limit)
                rows.append((i, index[edge.callee], edge.gb_per_hour, limits.index(limit)))
    source = np.array([r[0] for r in rows], np.int64)
    target = np.array([r[1] for r in rows], np.int64)
    weight = np.array([r[2] for r in rows], float)
    kept = _acyclic(len(problem.services), source, target)
    # A callee's cost is shared by its callers in proportion to what they send: whoever sends more decides more.
    sums = np.zeros(len(problem.services))
    np.add.at(sums, target[kept], weight[kept] + 1e-9)
    share = np.where(kept, (weight + 1e-9) / np.maximum(sums[target], 1e-12), 0.0)
    which = np.array([r[3] for r in rows], np.int64)
    return limits, Calls(source, target, weight, which, share, kept)


def _acyclic(count: int, source: Ints, target: Ints) -> Flags:
    """Which edges remain when each edge that closes a cycle (depth first, in order) is left out."""
    below: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for e, (a, b) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        below[a].append((e, b))
    kept = np.ones(len(source), bool)
    state = [0] * count  # 0 unseen, 1 on the path, 2 done
    for root in range(count):
        if state[root]:
            continue
        stack = [(root, iter(below[root]))]
        state[root] = 1
        while stack:
            node, rest = stack[-1]
            for e, child in rest:
                if state[child] == 1:
                    kept[e] = False
                elif state[child] == 0:
                    state[child] = 1
                    stack.append((child, iter(below[child])))
                    break
            else:
                state[node] = 2
                stack.pop()
    return kept


def _levels(count: int, calls: Calls) -> tuple[Ints, Ints]:
    height, depth = np.zeros(count, np.int64), np.zeros(count, np.int64)
    source, target = calls.source[calls.kept], calls.target[calls.kept]
    for level, above, below in ((height, source, target), (depth, target, source)):
        for _ in range(count):
            before = level.copy()
            np.maximum.at(level, above, level[below] + 1)
            if (level == before).all():
                break
    return height, depth


def _hop_prices(problem: Problem, places: list[Place], limit: Limit) -> Floats:
    probe = Edge(callee="", max_rtt_ms=limit[0], within=limit[1])
    mine = {here.region: {h.place: h for h in hops_to_service(problem, here.region, probe)} for here in places}
    prices = np.full((len(places), len(places)), NEVER)
    for a, here in enumerate(places):
        for b, there in enumerate(places):
            hop = mine[here.region].get(there.region)
            if hop is not None:
                prices[a, b] = hop.price_per_gb
        prices[a, a] = 0.0  # the same zone
    return prices
