"""What others would pay: the usual ways to place and to buy nodes, under the same constraints and prices.

Six of them buy nodes for our own choice of sites, so that only the packing differs: first-fit-decreasing on the best
single type, the Kubernetes scheduler's LeastAllocated and MostAllocated scores with an autoscaler that adds one type
per site, a Karpenter-like bin-packer (the cheapest node that takes most of what waits), and one pool per service. Two
choose sites their own way (each service's cheapest region; a split over the clouds) and buy nodes like Karpenter; they
keep residency, ICP, externals, spread and room for updates, and where a call's limit is broken it is said. Callers:
benchmarks.scheduler.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.check import spare_pod
from scheduler.eligibility import eligible_sites
from scheduler.problem import InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.sizes import DIMENSIONS, node_cap, room, size_of
from scheduler.traffic import edge_costs
from scheduler.verdicts import Solved

Floats = NDArray[np.float64]
Assignment = dict[str, dict[str, int]]
Group = tuple[Floats, int, int]  # size, pods, at most so many on one node
Bought = Floats  # price per hour, allocatable cpu in millicores and memory in MiB of the nodes together
Buyer = Callable[[Problem, SiteOffer, list[Group]], Bought | None]
SPLIT_CLOUDS = 3


def baselines(problem: Problem, verdict: Solved) -> list[dict[str, Any]]:
    """Cost per hour and requested / allocatable of each, None where it finds no nodes."""
    ours = {row.service: dict(row.replicas) for row in verdict.placement.services}
    rows = [
        _row(problem, "first-fit-decreasing, best single type", ours, first_fit_decreasing),
        _row(problem, "LeastAllocated, one autoscaled type", ours, least_allocated),
        _row(problem, "MostAllocated, one autoscaled type", ours, most_allocated),
        _row(problem, "Karpenter-like bin-packer", ours, karpenter_like),
        _row(problem, "one pool per service", ours, pool_per_service),
    ]
    rows.append(
        _row(problem, "each service's cheapest region, Karpenter-like", cheapest_region(problem), karpenter_like)
    )
    rows.append(_row(problem, "even split over the clouds, Karpenter-like", weighted_split(problem), karpenter_like))
    return rows


def _row(problem: Problem, name: str, assignment: Assignment, buy: Buyer) -> dict[str, Any]:
    egress, broken = 0.0, 0
    for service in problem.services:
        for row in edge_costs(problem, service, assignment):
            egress += row.per_hour
            broken += row.hop is None
    told: dict[str, Any] = {"baseline": name, "egress": egress, "calls_out_of_reach": broken}
    sites = [_site_bought(problem, site, assignment, buy) for site in problem.sites]
    if any(bought is None for bought in sites):
        return told | {"cost": None, "utilisation": None}
    price, cpu, memory = np.sum([bought for bought in sites if bought is not None], axis=0).tolist()
    asked_cpu = sum(s.cpu_millicores * s.replicas for s in problem.services)
    asked_memory = sum(s.memory_mib * s.replicas for s in problem.services)
    return told | {
        "cost": egress + price,
        "utilisation": {"cpu": asked_cpu / max(1, cpu), "memory": asked_memory / max(1, memory)},
    }


def _of(offer: InstanceOffer) -> Bought:
    return np.array([offer.price_per_hour, offer.cpu_millicores, offer.memory_mib], float)


def _site_bought(problem: Problem, site: SiteOffer, assignment: Assignment, buy: Buyer) -> Bought | None:
    groups: list[Group] = []
    own: Bought = np.zeros(3)
    for service in problem.services:
        count = assignment[service.name].get(site.id, 0)
        if count and service.dedicated:
            own += count * _of(min((t for t in site.types if _holds(t, service)), key=lambda t: t.price_per_hour))
        elif count:
            groups.append((_size(service), count, node_cap(problem, service)))
    if not groups:
        return own
    spare = spare_pod(problem, site.id, assignment)
    if any(spare):
        groups.append((np.array(spare, float), 1, 1))
    nodes = buy(problem, site, groups)
    return None if nodes is None else own + nodes


def _size(service: ServiceDemand) -> Floats:
    return np.array(size_of(service), float)


def _holds(offer: InstanceOffer, service: ServiceDemand) -> bool:
    return (
        service.cpu_millicores <= offer.cpu_millicores
        and service.memory_mib <= offer.memory_mib
        and service.gpu <= offer.gpu
    )


def _types(problem: Problem, site: SiteOffer, groups: list[Group]) -> list[tuple[Floats, Bought]]:
    """(room, one machine) of the types that hold every one of the groups' pods, cheapest first."""
    most = np.max([g[0] for g in groups], axis=0)
    rows = [(np.array(room(problem, t), float), _of(t)) for t in site.types]
    return sorted((r for r in rows if (r[0] >= most).all()), key=lambda r: (r[1][0], r[0].tolist()))


def _autoscaled(groups: list[Group], holds: Floats, pick: Callable[[Floats], NDArray[np.intp]]) -> int:
    """Nodes of one type that are needed when pods come in order and each goes where `pick` ranks first."""
    free = np.empty((0, DIMENSIONS))
    for size, wanted, cap in groups:
        count = wanted
        taken = np.zeros(len(free), np.int64)
        while count:
            able = np.flatnonzero((free >= size).all(axis=1) & (taken < cap))
            if not len(able):
                free = np.vstack([free, holds])
                taken = np.append(taken, 0)
                continue
            chosen = able[pick(free[able] / np.maximum(holds, 1.0))[:count]]
            free[chosen] -= size
            taken[chosen] += 1
            count -= len(chosen)
    return len(free)


def _single_type(order: bool, pick: Callable[[Floats], NDArray[np.intp]]) -> Buyer:
    def buy(problem: Problem, site: SiteOffer, groups: list[Group]) -> Bought | None:
        """The type with the least cost by the sum of what is asked for; then really packed."""
        types = _types(problem, site, groups)
        if not types:
            return None
        need = np.sum([size * count for size, count, _ in groups], axis=0)

        def estimate(row: tuple[Floats, Bought]) -> float:
            return float(row[1][0]) * math.ceil(float((need / np.maximum(row[0], 1e-9)).max()))

        holds, one = min(types, key=lambda r: (estimate(r), r[1][0]))
        mine = sorted(groups, key=lambda g: -float((g[0] / np.maximum(holds, 1)).max())) if order else groups
        return one * _autoscaled(mine, holds, pick)

    return buy


def _emptiest(free: Floats) -> NDArray[np.intp]:
    return np.argsort(-free[:, :2].mean(axis=1), kind="stable")


def _fullest(free: Floats) -> NDArray[np.intp]:
    return np.argsort(free[:, :2].mean(axis=1), kind="stable")


def _first(free: Floats) -> NDArray[np.intp]:
    return np.arange(len(free))


first_fit_decreasing = _single_type(True, _first)
least_allocated = _single_type(False, _emptiest)
most_allocated = _single_type(False, _fullest)


def karpenter_like(problem: Problem, site: SiteOffer, groups: list[Group]) -> Bought | None:
    """First-fit-decreasing into a new node while any type still holds it; then the cheapest type that does."""
    rooms = np.array([room(problem, t) for t in site.types], float)
    prices = np.array([t.price_per_hour for t in site.types], float)
    scale = rooms.max(axis=0)
    waiting = sorted(groups, key=lambda g: -float((g[0] / np.maximum(scale, 1)).max()))
    total: Bought = np.zeros(3)
    while waiting:
        used = np.zeros(DIMENSIONS)
        rest: list[Group] = []
        for size, count, cap in waiting:
            n = _most(rooms, used, size, min(count, cap))
            used = used + n * size
            if count > n:
                rest.append((size, count - n, cap))
        fits = (rooms >= used).all(axis=1)
        if not used.any() or not fits.any():
            return None
        total += _of(site.types[int(np.where(fits, prices, np.inf).argmin())])
        waiting = rest
    return total


def _most(rooms: Floats, used: Floats, size: Floats, wanted: int) -> int:
    """How many of a size still go on a node of some type beside what is used."""
    able = (rooms >= used).all(axis=1)
    if not able.any():
        return 0
    asked = size > 0
    return min(wanted, int(((rooms[able] - used)[:, asked] // size[asked]).min(axis=1).max()))


def pool_per_service(problem: Problem, site: SiteOffer, groups: list[Group]) -> Bought | None:
    """Each service (and the spare pod) on nodes of its own, of the type that is cheapest for it."""
    total: Bought = np.zeros(3)
    for size, count, cap in groups:
        found: list[Bought] = []
        for holds, one in _types(problem, site, [(size, count, cap)]):
            each = _most(holds[None, :], np.zeros(DIMENSIONS), size, cap)
            found += [one * math.ceil(count / each)] if each else []
        if not found:
            return None
        total += min(found, key=lambda bought: float(bought[0]))
    return total


# -- other ways to choose sites --------------------------------------------------------------------------------


def _unit_price(problem: Problem, site: SiteOffer, service: ServiceDemand) -> float:
    """What a replica's scarcest share of the best type costs."""
    size = _size(service)
    best = math.inf
    for t in site.types:
        holds = np.array(room(problem, t, service.dedicated), float)
        if (holds >= size).all():
            best = min(best, t.price_per_hour * float((size / np.maximum(holds, 1)).max()))
    return best


def _by_domain(problem: Problem, service: ServiceDemand, sites: list[str]) -> dict[str, int]:
    """All replicas in the first site, but for what the spread asks for, in the order given."""
    rule = service.spread
    counts: dict[str, int] = defaultdict(int)
    counts[sites[0]] = service.replicas
    if rule is None:
        return dict(counts)
    seen: set[str] = set()
    for site_id in sites:
        site = problem.site_by_id[site_id]
        domain = {"zone": site.id, "region": site.region, "cloud": site.cloud}[rule.over]
        if domain not in seen and len(seen) < rule.min_domains:
            seen.add(domain)
            if site_id != sites[0]:
                counts[sites[0]] -= rule.min_each
                counts[site_id] += rule.min_each
    return {k: n for k, n in counts.items() if n}


def cheapest_region(problem: Problem) -> Assignment:
    """Every service where its own replicas cost least, whatever it calls."""
    allowed = eligible_sites(problem).allowed
    known: dict[tuple[Any, ...], float] = {}
    assignment: Assignment = {}
    for service in problem.services:
        shape = (service.cpu_millicores, service.memory_mib, service.gpu, service.dedicated)

        def price(site_id: str, service: ServiceDemand = service, shape: tuple[Any, ...] = shape) -> float:
            site = problem.site_by_id[site_id]
            key = (site.region, shape)
            if key not in known:
                known[key] = _unit_price(problem, site, service)
            return known[key]

        assignment[service.name] = _by_domain(
            problem, service, sorted(allowed[service.name], key=lambda s: (price(s), s))
        )
    return assignment


def weighted_split(problem: Problem) -> Assignment:
    """Replicas in equal parts over the first site of up to three clouds that the service may use."""
    allowed = eligible_sites(problem).allowed
    assignment: Assignment = {}
    for service in problem.services:
        first: dict[str, str] = {}
        for site_id in allowed[service.name]:
            first.setdefault(problem.site_by_id[site_id].cloud, site_id)
        sites = [first[c] for c in sorted(first)][:SPLIT_CLOUDS]
        counts = {s: service.replicas // len(sites) + (i < service.replicas % len(sites)) for i, s in enumerate(sites)}
        counts = {s: n for s, n in counts.items() if n}
        if service.spread is not None and len(counts) < service.spread.min_domains:
            counts = _by_domain(problem, service, [*sites, *(s for s in allowed[service.name] if s not in sites)])
        assignment[service.name] = counts
    return assignment
