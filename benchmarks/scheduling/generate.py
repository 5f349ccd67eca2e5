"""Seeded problems for the scheduler: applications of about 20 services over the example's 36 zones, and variations.

Callers: benchmarks.scheduler, tests. Pure apart from reading the example's files. Equal arguments give equal problems.
The distributions are documented in docs/scheduler.md; change both together.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

from model.rng import stream
from scheduler.problem import CurrentPool, Edge, External, Problem, ServiceDemand, Spread
from scheduler.verdicts import Solved

EXAMPLE = Path(__file__).parents[2] / "examples" / "miniprogram"
SERVICES_PER_APPLICATION = 20

# Requests: the published manifests of three benchmarks of microservices sit at 50 to 300m and 64 to 256 MiB; the tail
# to 4 cores is what production clusters add. A third of the services has crooked sizes, as autoscalers leave them.
CPU_MILLICORES = (50, 100, 200, 250, 500, 1000, 2000, 4000)
CPU_WEIGHTS = (18, 22, 18, 10, 15, 10, 5, 2)
MIB_PER_CORE = (512, 1024, 2048, 4096, 8192)
MIB_WEIGHTS = (10, 25, 35, 22, 8)
CROOKED = 0.33
EXTRA_EDGES = 0.2  # calls beside the tree, as a share of the services: callees with several callers
CHINA_ONLY, WITH_ICP = 0.65, 0.08
SPREAD_ZONES, SPREAD_CLOUDS = 0.3, 0.04
OWN_MACHINES = 0.01  # services whose replicas are virtual machines; they get at most 3 replicas
TIGHT_CALLS = 0.08  # calls with a round-trip limit


def example_problem() -> Problem:
    """The mini program: 27 services, 64 replicas, 36 zones, exactly as `duoyun plan` builds it."""
    from orchestrator.load import load
    from orchestrator.placing import build_problem

    loaded = load(EXAMPLE)
    return build_problem(loaded.app, loaded.fleet, loaded.assumptions)


def synthetic(services: int, replicas: int, seed: int) -> Problem:
    """So many services with so many replicas in all, over the example's sites, routes and prices, without quotas.

    The example's budget is meant for 27 services, and left out.
    """
    base = replace(example_problem(), budget_per_hour=None, warn_per_hour=None)
    rng = stream(seed, "synthetic scheduling problem", services, replicas)
    counts = replica_counts(rng, services, replicas)
    regions = [r for r in base.regions if any(s.country == "CN" and s.region == r for s in base.sites)]
    demands: list[ServiceDemand] = []
    externals = [External(name="redis", regions=base.regions), External(name="internet-api", internet=True)]
    while len(demands) < services:
        number = len(demands) // SERVICES_PER_APPLICATION
        size = min(SERVICES_PER_APPLICATION, services - len(demands))
        database = External(name=f"db-{number:04d}", regions=tuple(sorted(rng.sample(regions, rng.randint(2, 4)))))
        externals.append(database)
        demands += application(rng, number, counts[len(demands) : len(demands) + size], database.name)
    return replace(base, services=tuple(demands), externals=tuple(externals), region_quota_vcpu={}, current_pools=())


def replica_counts(rng: Random, services: int, total: int) -> list[int]:
    """Heavy-tailed (Pareto, shape 1.6) counts of at least one that sum up to the total exactly."""
    weights = [rng.paretovariate(1.6) for _ in range(services)]
    scale = (total - services) / sum(weights)
    counts = [1 + int(w * scale) for w in weights]
    for index in range(total - sum(counts)):
        counts[index % services] += 1
    return counts


def application(rng: Random, number: int, counts: list[int], database: str) -> list[ServiceDemand]:
    """A call graph: a random recursive tree with a bias to early services, extra edges, and externals at the leaves."""
    names = [f"a{number:04d}-s{index:02d}" for index in range(len(counts))]
    calls: list[dict[str, Edge]] = [{} for _ in names]
    for index in range(1, len(names)):
        caller = int(index * rng.random() ** 1.5)
        calls[caller][names[index]] = _edge(rng, names[index])
    for _ in range(round(EXTRA_EDGES * len(names))):
        caller, callee = sorted(rng.sample(range(len(names)), 2)) if len(names) > 1 else (0, 0)
        if caller != callee:
            calls[caller].setdefault(names[callee], _edge(rng, names[callee]))
    demands = []
    for index, name in enumerate(names):
        if rng.random() < 0.25:
            calls[index][database] = _edge(rng, database, limit=rng.choice([5.0, 10.0, None]))
        if rng.random() < 0.3:
            calls[index]["redis"] = _edge(rng, "redis", limit=5.0)
        if rng.random() < 0.05:
            calls[index]["internet-api"] = _edge(rng, "internet-api")
        demands.append(_service(rng, name, counts[index], tuple(calls[index].values())))
    return demands


def _edge(rng: Random, callee: str, limit: float | None = None) -> Edge:
    """Rates and sizes are log-normal: a median of 10 calls/s of 2 kB, now and then a thousand times as much."""
    if limit is None and rng.random() < TIGHT_CALLS:
        limit = rng.choice([25.0, 50.0])
    rate = round(rng.lognormvariate(2.3, 1.2), 2)
    size = round(rng.lognormvariate(7.6, 1.0))
    return Edge(callee=callee, calls_per_s=rate, bytes_per_call=float(size), max_rtt_ms=limit)


def _service(rng: Random, name: str, replicas: int, edges: tuple[Edge, ...]) -> ServiceDemand:
    cpu = rng.choices(CPU_MILLICORES, CPU_WEIGHTS)[0]
    memory = max(64, cpu * rng.choices(MIB_PER_CORE, MIB_WEIGHTS)[0] // 1000)
    if rng.random() < CROOKED:
        cpu = max(10, round(cpu * rng.uniform(0.7, 1.3)))
        memory = max(32, round(memory * rng.uniform(0.7, 1.3)))
    luck = rng.random()
    spread = None
    if luck < SPREAD_CLOUDS and replicas >= 2:
        spread = Spread(over="cloud", min_domains=2)
    elif luck < SPREAD_CLOUDS + SPREAD_ZONES and replicas >= 2:
        spread = Spread(over="zone", min_domains=2)
    where = rng.random()
    if spread is not None and spread.over == "cloud":  # near its database there may be one cloud only
        edges = tuple(replace(e, max_rtt_ms=None) for e in edges)
    own = rng.random() < OWN_MACHINES and replicas <= 3
    return ServiceDemand(
        name=name,
        replicas=replicas,
        cpu_millicores=cpu,
        memory_mib=memory,
        dedicated=own,
        allowed_countries=("CN",) if where < CHINA_ONLY + WITH_ICP else None,
        icp_required=where < WITH_ICP,
        spread=spread,
        edges=edges,
    )


def changed(problem: Problem, verdict: Solved, share: float, seed: int, *, at_least: int = 1) -> Problem:
    """The placed problem a day later: a share of its services has other sizes or more or fewer replicas.

    at_least: so many of them, however small the share.
    """
    rng = stream(seed, "changed problem")
    now = {row.service: dict(row.replicas) for row in verdict.placement.services}
    names = sorted(now)
    chosen = set(rng.sample(names, max(at_least, round(share * len(names)))))
    services = []
    for service in problem.services:
        kept = replace(service, current=now[service.name])
        if service.name in chosen:
            factor = rng.choice([0.5, 0.8, 1.25, 2.0])
            if rng.random() < 0.5:
                least = service.spread.min_domains if service.spread else 1
                kept = replace(kept, replicas=max(least, round(service.replicas * factor)))
            else:
                size = max(10, round(service.cpu_millicores * factor))
                kept = replace(kept, cpu_millicores=min(4000, size))
        services.append(kept)
    pools = tuple(
        CurrentPool(site=p.site, instance_type=p.instance_type, count=p.count, dedicated_to=p.dedicated_to)
        for p in verdict.placement.pools
    )
    fee = 0.02 * verdict.placement.cost.total_per_hour / sum(s.replicas for s in problem.services)
    return replace(
        problem,
        services=tuple(services),
        current_pools=pools,
        current_nodes=verdict.packing,
        current_gap=verdict.placement.gap,
        migration_cost_per_replica=fee,
    )
