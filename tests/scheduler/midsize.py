"""Generated problems of middle size: too large for the oracle that tries everything, small enough for CP-SAT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.rng import stream
from scheduler.problem import (
    INTERNET,
    Apart,
    Edge,
    External,
    InstanceOffer,
    Problem,
    Route,
    ServiceDemand,
    SiteOffer,
    Spread,
    TeamQuota,
)

REGIONS = (("a/n", "a", "CN"), ("a/s", "a", "CN"), ("b/n", "b", "CN"), ("c/e", "c", "SG"))
KINDS = ((2000, 4096, 0.1), (4000, 8192, 0.195), (4000, 16384, 0.25))


def midsize_problem(seed: int, services: int = 12, sites: int = 8) -> Problem:
    """12 services of 1 to 4 replicas over 8 zones of 4 regions of 3 clouds, 3 machine types each; a call graph without
    circles; every rule on some of them."""
    rng = stream(seed, "midsize problem")
    zones = []
    for index in range(sites):
        region, cloud, country = REGIONS[index % len(REGIONS)]
        dear = round(rng.uniform(0.85, 1.2), 3)
        types = tuple(
            InstanceOffer(
                name=f"t{k}", vcpu=cpu / 1000, cpu_millicores=cpu - 80, memory_mib=int(memory * 0.9),
                pods=rng.choice([6, 20, 30]), price_per_hour=round(price * dear, 4),
            )
            for k, (cpu, memory, price) in enumerate(KINDS)
        )  # fmt: skip
        zones.append(
            SiteOffer(
                id=f"{region}{index}", region=region, cloud=cloud, partition=cloud, country=country,
                icp=country == "CN" and rng.random() < 0.8, max_machines=rng.choice([None, None, 3, 5]), types=types,
            )
        )  # fmt: skip
    names = [r for r, _, _ in REGIONS]
    far = {frozenset((a, b)): (rng.choice([4.0, 25.0, 60.0]), rng.choice([0.05, 0.12])) for a in names for b in names}
    cut = frozenset(rng.sample(names, 2)) if rng.random() < 0.3 else frozenset()
    routes = [
        Route(src=a, dst=a, rtt_ms=1.0, price_per_gb=0.01)
        if a == b
        else Route(
            src=a, dst=b, rtt_ms=far[frozenset((a, b))][0], price_per_gb=far[frozenset((a, b))][1],
            reachable={a, b} != cut,
        )
        for a in names for b in names
    ]  # fmt: skip
    routes += [Route(src=a, dst=INTERNET, price_per_gb=0.1) for a in names]
    demands = [_service(rng, i, services) for i in range(services)]
    return Problem(
        services=tuple(_wishes(rng, s, demands, zones) for s in demands),
        sites=tuple(zones),
        externals=(
            External(name="db", regions=tuple(rng.sample(names, 2))),
            External(
                name="api", internet=True, callers_from=tuple(rng.sample(names, 3)) if rng.random() < 0.3 else None
            ),
        ),
        routes=tuple(routes),
        region_quota_vcpu={r: float(rng.choice([6, 10, 16])) for r in names if rng.random() < 0.3},
        team_quotas=(TeamQuota(team="t", cpu_millicores=rng.choice([3000, 6000]), region=rng.choice(names)),)
        if rng.random() < 0.3 and any(d.team for d in demands)
        else (),
        rollout_headroom=rng.random() < 0.7,
        survive_node_loss=rng.random() < 0.7,
        node_overhead_cpu_millicores=100,
        node_overhead_memory_mib=128,
        node_overhead_pods=2,
        node_headroom=rng.choice([0.0, 0.0, 0.1]),
    )


def _service(rng: Any, index: int, count: int) -> ServiceDemand:
    callees = [f"s{j}" for j in range(index + 1, min(count, index + 5)) if rng.random() < 0.45]
    callees += [name for name in ("db", "api") if rng.random() < 0.15]
    return ServiceDemand(
        name=f"s{index}",
        replicas=rng.randint(1, 4),
        cpu_millicores=rng.choice([100, 250, 500, 900, 1500]),
        memory_mib=rng.choice([128, 512, 1024, 3000]),
        dedicated=rng.random() < 0.08,
        allowed_countries=("CN",) if rng.random() < 0.5 else None,
        icp_required=rng.random() < 0.1,
        surge=rng.random() < 0.8,
        team="t" if rng.random() < 0.4 else "",
        edges=tuple(
            Edge(
                callee=name,
                calls_per_s=float(rng.choice([0, 20, 100, 400])),
                bytes_per_call=float(rng.choice([500, 3000, 20000])),
                max_rtt_ms=rng.choice([None] * 6 + [30.0, 30.0, 5.0]),
            )
            for name in callees
        ),
    )


def _wishes(rng: Any, s: ServiceDemand, all_of_them: list[ServiceDemand], zones: list[SiteOffer]) -> ServiceDemand:
    changes: dict[str, Any] = {}
    if s.replicas > 1 and rng.random() < 0.25:
        changes["spread"] = Spread(over=rng.choice(["zone", "region", "cloud"]), min_domains=2)
    if s.replicas > 1 and rng.random() < 0.12:
        changes["survives"] = {rng.choice(["zone", "region", "cloud"]): 0.5}
    if rng.random() < 0.08:
        changes["max_per"] = {rng.choice(["node", "zone", "region"]): rng.randint(1, 2)}
    if rng.random() < 0.08:
        mine = [z for z in zones if s.allowed_countries is None or z.country in s.allowed_countries]
        changes["pinned"] = {rng.choice(mine).id: 1}
    if rng.random() < 0.08:
        changes["dearer"] = {rng.choice(zones).id: 0.02}
    if rng.random() < 0.08:
        changes["avoided_sites"] = tuple(
            z.id for z in rng.sample(zones, 2) if z.id not in changes.get("pinned", {})
        )  # a pin there would be a contradiction, and no problem
    others = [o.name for o in all_of_them if o.name != s.name]
    if rng.random() < 0.06:
        changes["apart"] = (Apart(service=rng.choice(others), over=rng.choice(["zone", "region"])),)
    inner = [e for e in s.edges if e.callee.startswith("s")]
    if inner and rng.random() < 0.1:
        near = replace(inner[0], within=rng.choice(["zone", "region", "cloud"]))
        changes["edges"] = tuple(near if e is inner[0] else e for e in s.edges)
    return replace(s, **changes)
