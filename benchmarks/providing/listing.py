"""Listing what a fleet owns, over all clouds at once: rows per second, requests, and the memory that it takes.

Six tenths of the resources are disks, three and a half instances, half a tenth firewall groups; a third of each in
every cloud. The fewest requests are counted from the clouds' documented largest pages: what is listed, what a row's
fields need besides (a machine's root disk, interface and addresses, a group's rules) and the names that it refers to.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any

from benchmarks.providing.worlds import PLACES, Place, World, account
from model.resources import Address, AnyResource, Disk, FirewallGroup, Instance, Kind, Network, Subnet
from orchestrator.registry import open_cloud
from providers.base import Call, CloudProvider

FLEET = "listing"
SHARES = {Kind.DISK: 0.6, Kind.INSTANCE: 0.35, Kind.FIREWALL_GROUP: 0.05}
TIME_S = 600.0


def call(key: str = "", fleet: str = FLEET) -> Call:
    return Call(deadline_s=time.monotonic() + TIME_S, key=key, fleet=fleet)


def models(place: Place) -> tuple[AnyResource, ...]:
    """One of each kind, and what they stand on; in the order in which they are made."""
    return (
        Network(name="main", cidr="10.0.0.0/16"),
        Subnet(name="main-a", network="main", cidr="10.0.0.0/17", zone=place.zone),
        FirewallGroup(name="model-group", network="main"),
        Disk(name="model-disk", zone=place.zone, size_gib=40),
        Instance(
            name="model-machine", zone=place.zone, subnet="main-a", firewall_group="model-group",
            instance_type=place.instance_type, disk_gib=40,
        ),
    )  # fmt: skip


def filled(world: World, place: Place, total: int) -> dict[Kind, int]:
    """Makes one of each kind and copies it, until the fleet owns that many there; how many of each kind."""
    provider = open_cloud(account(world, place))
    counts = {kind: max(1, round(total * share)) for kind, share in SHARES.items()}
    for wanted in models(place):
        made = Address(place.partition, provider.account.account_id, place.region, wanted.KIND, wanted.name)
        provider.create(made, wanted, call(f"model-{wanted.name}"))
        seen = provider.wait_ready(made, call())
        if wanted.KIND in counts:
            number = counts[wanted.KIND] - 1
            world.copies(place.cloud, wanted.KIND, provider.account.account_id, place.region, seen.provider_id, number)
    return counts


def _aws(n: dict[Kind, int]) -> int:
    """EC2 API Reference: 1,000 rows a page, 500 of volumes. The fleet's root disks bear its tags, as its disks do."""
    disks, machines, groups = n[Kind.DISK], n[Kind.INSTANCE], n[Kind.FIREWALL_GROUP]
    of_disks = ceil((disks + machines) / 500) + 1 + ceil(machines / 1000)  # which grow; and whose they are
    of_machines = ceil(machines / 1000) + ceil(machines / 500) + 1 + ceil(groups / 1000)  # root disks, subnets, groups
    return 1 + of_disks + of_machines + ceil(groups / 1000) + 1  # who we are; the groups' networks


def _azure(n: dict[Kind, int]) -> int:
    """ARM's pages are the server's to choose: 100 rows here."""
    machines = 2 * ceil(n[Kind.INSTANCE] / 100) + 1  # with their interfaces; and public addresses
    return ceil(n[Kind.DISK] / 100) + machines + ceil(n[Kind.FIREWALL_GROUP] / 100) + 1  # the regions' zones


def _alibaba(n: dict[Kind, int]) -> int:
    """ECS API Reference: 100 rows a page, 500 of disks; rules are told group by group only."""
    disks, machines, groups = n[Kind.DISK], n[Kind.INSTANCE], n[Kind.FIREWALL_GROUP]
    of_machines = ceil(machines / 100) + ceil(machines / 500) + 1 + ceil(groups / 100)  # system disks, subnets, groups
    return ceil(disks / 500) + 1 + of_machines + ceil(groups / 100) + groups + 1  # the disks' key; networks


FEWEST = {"aws": _aws, "azure": _azure, "alibaba": _alibaba}


def listed(provider: CloudProvider, place: Place) -> dict[Kind, int]:
    """How many rows each kind's list has; rows are dropped as they come."""
    return {kind: sum(1 for _ in provider.list(kind, place.region, call(), fleet=FLEET)) for kind in SHARES}


def run(world: World, total: int = 10_000) -> dict[str, Any]:
    """Clouds side by side, a thread each, through adapters that have seen nothing yet."""
    share = total // len(PLACES)
    counts = {place.cloud: filled(world, place, share) for place in PLACES}
    providers = [open_cloud(account(world, place)) for place in PLACES]
    before, began_s, cpu_s = world.requests(), time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(len(PLACES)) as pool:
        found = dict(zip((p.cloud for p in PLACES), pool.map(listed, providers, PLACES), strict=True))
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    after = world.requests()
    if found != counts:
        raise AssertionError(f"listed {found}, but there are {counts}")
    rows = sum(sum(kinds.values()) for kinds in found.values())
    sent = {cloud: after[cloud] - before.get(cloud, 0) for cloud in counts}
    least = {cloud: FEWEST[cloud](kinds) for cloud, kinds in counts.items()}
    return {
        "resources": rows,
        "wall_s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
        "resources_per_s": round(rows / wall_s, 1),
        "resources_per_cpu_s": round(rows / cpu_s, 1),
        "api_calls": sum(sent.values()),
        "api_calls_fewest": sum(least.values()),
        "by_cloud": {cloud: {"api_calls": sent[cloud], "fewest": least[cloud]} for cloud in counts},
    }
