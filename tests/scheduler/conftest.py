"""Generated tiny problems, and an exhaustive oracle for them.

The oracle shares no code with the solver's model: it enumerates every assignment of replicas to sites and every node
mix up to a bound, and asks scheduler.check whether it holds and what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pytest

from model.rng import stream
from scheduler.packing import Group, Node, Outcome, pack
from scheduler.problem import (
    INTERNET,
    Apart,
    Edge,
    External,
    InstanceOffer,
    Population,
    Problem,
    Route,
    ServiceDemand,
    SiteOffer,
    Spread,
    TeamQuota,
    UserLatency,
)
from scheduler.sizes import Vector, room
from scheduler.traffic import edge_costs


def offer(name: str, cpu: int, memory: int, price: float, **more: Any) -> InstanceOffer:
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


def featured_problem(seed: int) -> Problem:
    """A tiny problem with some of the rarer wishes: each for about a tenth of the services, so that they also meet."""
    problem = tiny_problem(seed)
    rng = stream(seed, "features")

    def some(share: float = 0.1) -> bool:
        return rng.random() < share

    names = [s.name for s in problem.services]
    regions = list(problem.regions)
    sites = []
    for site in problem.sites:
        types = list(site.types)
        if some(0.35):
            base = rng.choice(types)
            types.append(replace(base, name=f"{base.name}-spot", spot=True, price_per_hour=base.price_per_hour * 0.4))
        if some():
            base = rng.choice(types[:2])
            types.append(replace(base, name=f"{base.name}-paid", price_per_hour=0.0, max_count=rng.randint(1, 2)))
        if some():
            base = rng.choice(types[:2])
            types.append(replace(base, name=f"{base.name}-arm", arch="arm64", price_per_hour=base.price_per_hour * 0.8))
        disks = rng.choice([0, 0, 50])
        sites.append(replace(site, types=tuple(replace(t, disk_gib=disks) for t in types)))
    services = []
    for s in problem.services:
        others = [n for n in names if n != s.name]
        changes: dict[str, Any] = {}
        if some(0.3):
            changes["max_spot_share"] = rng.choice([0.5, 1.0])
        if some():
            changes["architectures"] = rng.choice([("amd64", "arm64"), ("arm64",)])
        if some() and s.replicas > 1:
            changes["survives"] = {rng.choice(["zone", "region", "cloud"]): rng.choice([0.3, 0.5])}
        if some():
            changes["max_per"] = {rng.choice(["node", "zone", "region", "cloud"]): rng.randint(1, 2)}
        if some():
            changes["max_node_share"] = 0.5
        if some() and others:
            changes["apart"] = (
                Apart(service=rng.choice(others), over=rng.choice(["node", "zone", "region", "cloud"])),
            )
        if some():
            changes["users"] = (UserLatency(population="people", max_rtt_ms=20.0),)
        if some() and any(i.id not in s.avoided_sites for i in sites):
            changes["pinned"] = {rng.choice([i.id for i in sites if i.id not in s.avoided_sites]): 1}
        if some():
            changes["dearer"] = {rng.choice(sites).id: rng.choice([0.1, 1.0])}
        if some(0.15):
            changes["disk_gib"] = 20
        if some(0.5):
            changes["team"] = "t"
        if s.edges and some(0.3):
            changes["edges"] = tuple(replace(e, within=rng.choice(["zone", "region", "cloud"])) for e in s.edges[:1])
            changes["edges"] += s.edges[1:]
        services.append(replace(s, **changes))
    return replace(
        problem,
        sites=tuple(sites),
        services=tuple(services),
        populations=(Population(name="people", rtt_ms={r: rng.choice([10.0, 30.0]) for r in regions}),),
        team_quotas=(TeamQuota(team="t", cpu_millicores=rng.choice([900, 1800]), region=rng.choice(["", *regions])),)
        if some() and any(s.team for s in services)
        else (),
        node_headroom=rng.choice([0.0, 0.0, 0.1]),
        spare_node_per_pool=some(0.15),
    )


def oracle_cost(problem: Problem) -> float:
    """The cheapest cost there is, by trying everything; infinite where nothing holds."""
    best = math.inf
    choices = [list(_spreads(problem, s)) for s in problem.services]
    for combination in product(*choices):
        assignment = {s.name: c for s, c in zip(problem.services, combination, strict=True)}
        rows = [row for s in problem.services for row in edge_costs(problem, s, assignment)]
        if any(row.hop is None for row in rows) or not _together(problem, assignment):
            continue
        wishes = sum(s.dearer.get(i, 0.0) * n for s in problem.services for i, n in assignment[s.name].items())
        egress = sum(row.per_hour for row in rows) + wishes
        if egress < best:
            best = min(best, egress + _machines(problem, assignment, best - egress))
    return best


def _together(problem: Problem, assignment: dict[str, dict[str, int]]) -> bool:
    """Anti-affinity over zones, regions and clouds, and teams' quotas."""

    def key(site_id: str, over: str) -> str:
        site = problem.site_by_id[site_id]
        return {"zone": site.id, "region": site.region, "cloud": site.cloud, "node": ""}[over]

    for s in problem.services:
        for rule in s.apart:
            if rule.over != "node":
                mine = {key(i, rule.over) for i in assignment[s.name]}
                if mine & {key(i, rule.over) for i in assignment[rule.service]}:
                    return False
    for quota in problem.team_quotas:
        used = sum(
            s.cpu_millicores * n
            for s in problem.services
            if s.team == quota.team
            for i, n in assignment[s.name].items()
            if not quota.region or problem.site_by_id[i].region == quota.region
        )
        if quota.cpu_millicores is not None and used > quota.cpu_millicores:
            return False
    return True


def _own_rules(problem: Problem, service: ServiceDemand, counts: dict[str, int]) -> bool:
    """Survival, anti-affinity with itself, pins and users."""
    for level in ("zone", "region", "cloud"):
        held: dict[str, int] = {}
        for i, n in counts.items():
            site = problem.site_by_id[i]
            domain = {"zone": site.id, "region": site.region, "cloud": site.cloud}[level]
            held[domain] = held.get(domain, 0) + n
        most = max(held.values())
        if level in service.max_per and most > service.max_per[level]:
            return False
        if level in service.survives and service.replicas - most < service.survives[level] * service.replicas - 1e-9:
            return False
    if any(counts.get(i, 0) < n for i, n in service.pinned.items()):
        return False
    rtt = problem.populations[0].rtt_ms if problem.populations else {}
    return all(any(rtt[problem.site_by_id[i].region] <= u.max_rtt_ms for i in counts) for u in service.users)


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
        found = {s.id: n for s, n in zip(sites, counts, strict=True) if n}
        if _own_rules(problem, service, found):
            yield found


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
    own_options: list[tuple[tuple[InstanceOffer, int], ...]] = [()]
    for s in own:
        n = assignment[s.name][site.id]
        own_options = [(*o, (t, n)) for o in own_options for t in site.types if _machine_holds(t, s)]
    found = set()
    most = sum(assignment[s.name][site.id] for s in pods) + 1  # a node a pod, and one for the spare pod
    ranges = [range((most if t.max_count is None else min(most, t.max_count)) + 1 if pods else 1) for t in site.types]
    for counts in product(*ranges):
        if pods and not _pods_fit(problem, site, assignment, counts):
            continue
        bought = [n + 1 if n and problem.spare_node_per_pool else n for n in counts]
        for chosen in own_options:
            total = {t.name: n for t, n in zip(site.types, bought, strict=True)}
            for t, n in chosen:
                total[t.name] += n
            if any(t.max_count is not None and total[t.name] > t.max_count for t in site.types):
                continue
            if site.max_machines is None or sum(total.values()) <= site.max_machines:
                found.add(
                    (
                        sum(t.price_per_hour * total[t.name] for t in site.types),
                        sum(t.vcpu * total[t.name] for t in site.types),
                    )
                )
    return sorted(found)


def _machine_holds(t: InstanceOffer, s: ServiceDemand) -> bool:
    fits = t.cpu_millicores >= s.cpu_millicores and t.memory_mib >= s.memory_mib and t.disk_gib >= s.disk_gib
    return fits and t.arch in s.architectures and (not t.spot or s.max_spot_share >= 1)


def _pods_fit(
    problem: Problem, site: SiteOffer, assignment: dict[str, dict[str, int]], counts: tuple[int, ...]
) -> bool:
    groups = []
    spare = [0] * 8
    strangers = {(s.name, a.service) for s in problem.services for a in s.apart if a.over == "node"}
    strangers |= {(b, a) for a, b in strangers}
    for s in problem.services:
        n = assignment[s.name].get(site.id, 0)
        if s.dedicated or not n:
            continue
        amd, arm = s.architectures == ("amd64",), s.architectures == ("arm64",)
        loose = math.floor(s.max_spot_share * n)
        cap = max(1, math.floor(s.max_node_share * s.replicas))
        cap = min(cap, s.replicas - 1) if problem.survive_node_loss and s.replicas > 1 else cap
        cap = min(cap, s.max_per.get("node", cap))
        apart = frozenset(b for a, b in strangers if a == s.name)
        for stays, count in ((1, n - loose), (0, loose)):
            size = (s.cpu_millicores, s.memory_mib, s.gpu, s.pods, s.disk_gib, int(amd), int(arm), stays)
            if count:
                groups.append(Group(s.name, size, count, cap, apart))
        if problem.rollout_headroom and s.surge:
            most = (s.cpu_millicores, s.memory_mib, 0, s.pods, 0, int(amd), int(arm), int(s.max_spot_share < 1))
            spare = [max(a, b) for a, b in zip(spare, most, strict=True)]
    if spare[5]:
        spare[6] = 0
    if any(spare):
        groups.append(Group("", tuple(spare), 1, 1))  # type: ignore[arg-type]
    rooms = tuple(room(problem, t) for t, n in zip(site.types, counts, strict=True) for _ in range(n))
    return _packs(tuple(groups), rooms)


@cache
def _packs(groups: tuple[Group, ...], rooms: tuple[Vector, ...]) -> bool:
    outcome = pack(groups, [Node("n", r) for r in rooms], 1_000_000).outcome
    assert outcome is not Outcome.UNKNOWN
    return outcome is Outcome.PACKED


@pytest.fixture(scope="session")
def make_tiny() -> Callable[[int], Problem]:
    return tiny_problem


@pytest.fixture(scope="session")
def make_featured() -> Callable[[int], Problem]:
    return featured_problem


@pytest.fixture(scope="session")
def oracle() -> Callable[[Problem], float]:
    return oracle_cost
