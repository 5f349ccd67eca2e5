"""Generated tiny problems, and an exhaustive oracle for them.

The oracle shares no code with the solver's model: it enumerates every assignment of replicas to sites and every node
mix up to a bound, and asks scheduler.check whether it holds and what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import pytest

from model.rng import stream
from scheduler.eligibility import room
from scheduler.packing import Group, Node, Outcome, pack
from scheduler.problem import (
    INTERNET,
    Edge,
    External,
    InstanceOffer,
    Problem,
    Route,
    ServiceDemand,
    SiteOffer,
    Spread,
)
from scheduler.traffic import edge_costs


def offer(name: str, cpu: int, memory: int, price: float, **more: int) -> InstanceOffer:
    return InstanceOffer(
        name=name, vcpu=cpu / 1000, cpu_millicores=cpu, memory_mib=memory, price_per_hour=price, **more
    )


def tiny_problem(seed: int) -> Problem:
    """At most 3 services of at most 3 replicas over at most 4 zones: everything can be tried."""
    rng = stream(seed, "tiny problem")
    regions = [("c1/r1", "c1", "CN"), ("c2/r2", "c2", "CN"), ("c2/r3", "c2", "SG")][: rng.randint(1, 3)]
    sites = []
    for index in range(rng.randint(len(regions), 4)):
        region, cloud, country = regions[index % len(regions)]
        kinds = [offer("s", 1000, 1000, 1.0), offer("m", 2000, 2000, 1.9), offer("l", 2000, 4000, 2.5)]
        scale = 1 + 0.1 * regions.index((region, cloud, country))
        types = tuple(
            InstanceOffer(
                name=t.name,
                vcpu=t.vcpu,
                cpu_millicores=t.cpu_millicores,
                memory_mib=t.memory_mib,
                pods=rng.choice([2, 3, 10, 10]),
                price_per_hour=round(t.price_per_hour * scale, 4),
                assumed=rng.random() < 0.3,
            )
            for t in rng.sample(kinds, rng.randint(1, 2))
        )
        sites.append(
            SiteOffer(
                id=f"{cloud}/z{index}",
                region=region,
                cloud=cloud,
                partition=cloud,
                country=country,
                icp=rng.random() < 0.7,
                max_machines=rng.choice([None, None, None, 2, 3]),
                types=types,
            )
        )
    names = [r for r, _, _ in regions]
    routes = [
        Route(
            src=a,
            dst=b,
            rtt_ms=rng.choice([5.0, 30.0]) if a != b else 1.0,
            price_per_gb=rng.choice([0.0, 0.5, 1.0]) if a != b else rng.choice([0.0, 0.2]),
            reachable=a == b or rng.random() < 0.85,
        )
        for a in names
        for b in names
    ] + [Route(src=a, dst=INTERNET, price_per_gb=1.0) for a in names]
    externals = (
        External(name="db", regions=tuple(rng.sample(names, 1))),
        External(name="api", internet=True, callers_from=tuple(rng.sample(names, 1)) if rng.random() < 0.3 else None),
    )
    services = []
    count = rng.randint(1, 3)
    for index in range(count):
        replicas = rng.randint(1, 3)
        edges = [
            Edge(
                callee=callee,
                calls_per_s=rng.choice([0.0, 10.0]),
                bytes_per_call=rng.choice([1000.0, 20000.0]),
                max_rtt_ms=rng.choice([None, None, None, 10.0, 0.5]),
            )
            for callee in [f"svc{i}" for i in range(index + 1, count)] + ["db", "api"]
            if rng.random() < 0.3
        ]
        over = rng.choice(["zone", "region", "cloud"])
        services.append(
            ServiceDemand(
                name=f"svc{index}",
                replicas=replicas,
                cpu_millicores=rng.choice([300, 600, 900]),
                memory_mib=rng.choice([300, 700, 1500]),
                dedicated=rng.random() < 0.25,
                allowed_countries=("CN",) if rng.random() < 0.3 else None,
                icp_required=rng.random() < 0.15,
                avoided_sites=(rng.choice(sites).id,) if rng.random() < 0.2 else (),
                spread=Spread(over=over, min_domains=rng.randint(1, 2)) if rng.random() < 0.25 else None,
                edges=tuple(edges),
                surge=rng.random() < 0.7,
            )
        )
    return Problem(
        services=tuple(services),
        sites=tuple(sites),
        externals=externals,
        routes=tuple(routes),
        region_quota_vcpu={r: rng.choice([3.0, 6.0]) for r in names if rng.random() < 0.3},
        rollout_headroom=rng.random() < 0.5,
        survive_node_loss=rng.random() < 0.5,
        node_overhead_cpu_millicores=rng.choice([0, 100]),
    )


def oracle_cost(problem: Problem) -> float:
    """The cheapest cost there is, by trying everything; infinite where nothing holds."""
    best = math.inf
    choices = [list(_spreads(problem, s)) for s in problem.services]
    for combination in product(*choices):
        assignment = {s.name: c for s, c in zip(problem.services, combination, strict=True)}
        rows = [row for s in problem.services for row in edge_costs(problem, s, assignment)]
        if any(row.hop is None for row in rows):
            continue
        egress = sum(row.per_hour for row in rows)
        if egress < best:
            best = min(best, egress + _machines(problem, assignment, best - egress))
    return best


def _spreads(problem: Problem, service: ServiceDemand) -> Iterator[dict[str, int]]:
    """Every way to put the service's replicas on sites that keeps its own rules (not those of others)."""
    from scheduler.eligibility import reject

    sites = [s for s in problem.sites if reject(problem, service, s) is None]
    for counts in product(range(service.replicas + 1), repeat=len(sites)):
        if sum(counts) != service.replicas:
            continue
        rule = service.spread
        if rule is not None:
            domains: dict[str, int] = {}
            for site, n in zip(sites, counts, strict=True):
                key = {"zone": site.id, "region": site.region, "cloud": site.cloud}[rule.over]
                domains[key] = domains.get(key, 0) + n
            if sum(1 for n in domains.values() if n >= rule.min_each) < rule.min_domains:
                continue
        yield {s.id: n for s, n in zip(sites, counts, strict=True) if n}


def _machines(problem: Problem, assignment: dict[str, dict[str, int]], below: float) -> float:
    """The cheapest machines for that assignment, over all sites of each region together (quotas couple them)."""
    total = 0.0
    for region in problem.regions:
        sites = [s for s in problem.sites if s.region == region]
        options = [_site_options(problem, s, assignment) for s in sites]
        quota = problem.region_quota_vcpu.get(region, math.inf)
        best = math.inf
        for chosen in product(*options):
            if sum(vcpu for _, vcpu in chosen) <= quota + 1e-9:
                best = min(best, sum(price for price, _ in chosen))
        total += best
        if total >= below:
            return math.inf
    return total


def _site_options(
    problem: Problem, site: SiteOffer, assignment: dict[str, dict[str, int]]
) -> list[tuple[float, float]]:
    """(price, vcpu) of every machine choice that holds what the assignment puts in that site."""
    own = [s for s in problem.services if s.dedicated and assignment[s.name].get(site.id)]
    pods = [s for s in problem.services if not s.dedicated and assignment[s.name].get(site.id)]
    own_options = [(0.0, 0.0, 0)]
    for s in own:
        n = assignment[s.name][site.id]
        fits = [t for t in site.types if t.cpu_millicores >= s.cpu_millicores and t.memory_mib >= s.memory_mib]
        own_options = [
            (p + t.price_per_hour * n, v + t.vcpu * n, c + n) for p, v, c in own_options for t in fits
        ]  # fmt: skip
    found = []
    most = sum(assignment[s.name][site.id] for s in pods) + 1  # a node a pod, and one for the spare pod
    for counts in product(range(most + 1 if pods else 1), repeat=len(site.types)):
        if pods and not _pods_fit(problem, site, assignment, counts):
            continue
        price = sum(t.price_per_hour * n for t, n in zip(site.types, counts, strict=True))
        vcpu = sum(t.vcpu * n for t, n in zip(site.types, counts, strict=True))
        for p, v, c in own_options:
            if site.max_machines is None or sum(counts) + c <= site.max_machines:
                found.append((price + p, vcpu + v))
    return found


def _pods_fit(
    problem: Problem, site: SiteOffer, assignment: dict[str, dict[str, int]], counts: tuple[int, ...]
) -> bool:
    groups = []
    spare = [0, 0, 0, 0]
    for s in problem.services:
        n = assignment[s.name].get(site.id, 0)
        if s.dedicated or not n:
            continue
        size = (s.cpu_millicores, s.memory_mib, s.gpu, s.pods)
        cap = s.replicas - 1 if problem.survive_node_loss and s.replicas > 1 else s.replicas
        groups.append(Group(s.name, size, n, cap))
        if problem.rollout_headroom and s.surge:
            spare = [max(a, b) for a, b in zip(spare, size, strict=True)]
    spare[2] = 0
    if any(spare):
        groups.append(Group("", (spare[0], spare[1], spare[2], spare[3]), 1, 1))
    rooms = tuple(room(problem, t) for t, n in zip(site.types, counts, strict=True) for _ in range(n))
    return _packs(tuple(groups), rooms)


@cache
def _packs(groups: tuple[Group, ...], rooms: tuple[tuple[int, int, int, int], ...]) -> bool:
    outcome = pack(groups, [Node("n", r) for r in rooms], 1_000_000).outcome
    assert outcome is not Outcome.UNKNOWN
    return outcome is Outcome.PACKED


@pytest.fixture(scope="session")
def make_tiny() -> Callable[[int], Problem]:
    return tiny_problem


@pytest.fixture(scope="session")
def oracle() -> Callable[[Problem], float]:
    return oracle_cost
