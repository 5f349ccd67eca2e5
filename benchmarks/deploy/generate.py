"""Generated applications of any size, drawn from the example's own shape, on one region of each of three clouds.

Callers: benchmarks.deploy. The distribution (docs/benchmarks.md): services stand in TIERS tiers of equal size;
how many services of the tier below one calls, how many replicas it has, whether it runs on machines (4 of 27) and
whether strangers reach it (2 of 27, in the top tier) are each drawn from what examples/miniprogram has. Each service
lives in one site, round robin. Seeded: same seed, same files. The placement is made here, by hand: what is measured is
the release, and benchmarks.scheduling measures placing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

import yaml

from model.plan import Cost, Placement, PoolChoice, ServicePlacement
from model.rng import stream
from model.spec.app import Application, Runtime

TIERS = 7  # the example's longest chain of services
CALLEES = (0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 6)
REPLICAS = (1, 1, *(2,) * 13, *(3,) * 11, 4)
MACHINES, PUBLIC = 4 / 27, 2 / 27
PODS_PER_NODE = 80
_CPU, _MEMORY_MIB = 20, 32


@dataclass(frozen=True, slots=True)
class _Region:
    account: str
    partition: str
    account_id: str
    region: str
    zone: str
    node: str
    machine: str

    @property
    def site(self) -> str:
        return f"{self.partition}/{self.zone}"


REGIONS = (
    _Region("aws-cn", "aws-cn", "222222222222", "cn-north-1", "cn-north-1a", "c6i.4xlarge", "c6i.large"),
    _Region(
        "azure-cn", "azure-cn", "00000000-0000-0000-0000-000000000002", "chinanorth3", "chinanorth3-1",
        "Standard_D16ls_v5", "Standard_D2ls_v5",
    ),
    _Region(
        "alibaba-cn", "alibaba-cn", "5000000000000002", "cn-hangzhou", "cn-hangzhou-h", "ecs.c7.4xlarge", "ecs.c7.large"
    ),
)  # fmt: skip


def write(folder: Path, services: int, seed: int, *, name: str = "generated") -> Path:
    """app.yaml and fleet.yaml in that folder; returns it. ValueError for fewer than one service."""
    if services < 1:
        raise ValueError(f"{services} services are no application")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.yaml").write_text(yaml.safe_dump(app(services, seed, name=name), sort_keys=False))
    (folder / "fleet.yaml").write_text(yaml.safe_dump(fleet(), sort_keys=False))
    return folder


def app(services: int, seed: int, *, name: str = "generated") -> dict[str, Any]:
    """The application document."""
    rng = stream(seed, "application", services)
    tiers = [[n for n in range(services) if n * TIERS // services == t] for t in range(TIERS)]
    tiers = [t for t in tiers if t]
    rows: list[dict[str, Any]] = []
    for depth, tier in enumerate(tiers):
        below = tiers[depth - 1] if depth else []
        rows += [_service(n, below, depth == len(tiers) - 1, rng) for n in tier]
    return {
        "apiVersion": "duoyun.dev/v1", "kind": "Application", "metadata": {"name": name}, "spec": {"services": rows},
    }  # fmt: skip


def _service(number: int, below: list[int], top: bool, rng: Random) -> dict[str, Any]:
    machine = rng.random() < MACHINES
    public = top and not machine and rng.random() < PUBLIC * TIERS
    callees = sorted(rng.sample(below, min(len(below), rng.choice(CALLEES))))
    site = REGIONS[number % len(REGIONS)].site
    return {
        "name": _name(number),
        "image": f"registry.example.com/generated/{_name(number)}:1.0.0",
        **({"runtime": "vm"} if machine else {}),
        "replicas": rng.choice(REPLICAS),
        "resources": {"cpu": f"{_CPU}m", "memory": f"{_MEMORY_MIB}Mi"},
        "ports": [{"name": "http", "port": 8080, **({"public": True} if public else {})}],
        "depends_on": [{"name": _name(c), "calls_per_s": 1, "bytes_per_call": 1000} for c in callees],
        "data_class": "internal",
        "zones": ["CN"],
        **({"icp": True} if public else {}),
        "placement": {"sites": [site]},
    }


def _name(number: int) -> str:
    return f"s{number:04d}"


def fleet() -> dict[str, Any]:
    """The fleet document: everything ours, everything in the sandbox."""
    regions = [
        {
            "account": r.account, "region": r.region, "country": "CN", "icp": True,
            "zones": [{"zone": r.zone, "subnet_cidr": f"10.{11 + n}.0.0/18"}]
            # AWS wants a cluster's subnets in two zones.
            + ([{"zone": "cn-north-1b", "subnet_cidr": f"10.{11 + n}.64.0/18"}] if r.account == "aws-cn" else []),
            "network": {"ownership": "own", "name": "main", "cidr": f"10.{11 + n}.0.0/16"},
            "firewalls": [{
                "name": "web", "ownership": "own", "description": "public entry",
                "rules": [{"ports": "8080", "cidr": "0.0.0.0/0", "description": "public entry"}],
            }],
            "cluster": {"ownership": "own", "name": "main", "version": "1.35"},
            "gateway": {"address": f"10.{11 + n}.255.10"},
        }
        for n, r in enumerate(REGIONS)
    ]  # fmt: skip
    accounts = [
        {
            "name": r.account, "partition": r.partition, "account_id": r.account_id, "endpoint": "sandbox",
            **({"resource_group": "generated"} if r.account.startswith("azure") else {}),
        }
        for r in REGIONS
    ]  # fmt: skip
    names = [f"{r.partition}/{r.region}" for r in REGIONS]
    links = [{"between": [a, b], "rtt_ms": 20} for i, a in enumerate(names) for b in names[i + 1 :]]
    return {
        "apiVersion": "duoyun.dev/v1", "kind": "Fleet", "metadata": {"name": "generated"},
        "spec": {
            "currency": "CNY", "exchange_rates": {"USD": 7.12}, "tags": {"owner": "benchmarks", "environment": "test"},
            "accounts": accounts, "regions": regions, "links": links,
        },
    }  # fmt: skip


def placement(app: Application) -> Placement:
    """Every service in the one site that it names; as many nodes as its pods need, and machines of their own."""
    by_site = {r.site: r for r in REGIONS}
    pods: Counter[str] = Counter()
    pools: list[PoolChoice] = []
    rows = []
    for service in app.spec.services:
        site = service.placement.sites[0]
        rows.append(ServicePlacement(service=service.name, replicas={site: service.replicas}))
        if service.runtime is Runtime.VM:
            pools.append(_pool(site, by_site[site].machine, service.replicas, 2.0, service.name))
        else:
            pods[site] += service.replicas
    pools += [_pool(site, by_site[site].node, ceil(n / PODS_PER_NODE) + 1, 16.0) for site, n in sorted(pods.items())]
    cost = Cost(compute_per_hour=0.0, egress_per_hour=0.0, assumed_share=0.0, currency="CNY", price_date="")
    return Placement(services=tuple(rows), pools=tuple(pools), cost=cost, lower_bound_per_hour=0.0)


def _pool(site: str, instance_type: str, count: int, vcpu: float, dedicated_to: str = "") -> PoolChoice:
    return PoolChoice(
        site=site, instance_type=instance_type, count=count, price_per_hour=0.0, assumed_price=True, vcpu=vcpu,
        allocatable_cpu_millicores=int(vcpu * 940), allocatable_memory_mib=int(vcpu * 1700), dedicated_to=dedicated_to,
    )  # fmt: skip
