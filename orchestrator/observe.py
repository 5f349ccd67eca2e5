"""Reads what is there: every account and cluster in scope, side by side.

What could not be read is reported as unobserved, with its reason: unknown, never absent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from model.errors import CloudError, DuoyunError, Interrupted, NotFound, Unauthenticated
from model.resources import Address, Kind, Observed, State
from model.spec.fleet import Fleet, RegionSpec
from orchestrator.targets import Targets
from providers.base import Call

CLOUD_KINDS = (
    Kind.NETWORK,
    Kind.SUBNET,
    Kind.FIREWALL_GROUP,
    Kind.CLUSTER,
    Kind.NODE_POOL,
    Kind.INSTANCE,
)
_WORKERS = 16


@dataclass(frozen=True, slots=True, order=True)
class Plane:
    """A region of an account, or (with cluster) one cluster in it: what is reachable or not as a whole."""

    partition: str
    account: str
    region: str
    cluster: str = ""

    def __str__(self) -> str:
        return "/".join(p for p in (self.partition, self.account, self.region, self.cluster) if p)

    def covers(self, address: Address) -> bool:
        if (address.partition, address.account, address.region) != (self.partition, self.account, self.region):
            return False
        if not self.cluster:
            return True
        return address.kind is Kind.KUBERNETES_OBJECT and address.name.split("/", 1)[0] == self.cluster


@dataclass(frozen=True, slots=True)
class World:
    """What was seen. unobserved: plane -> why it could not be read."""

    resources: dict[Address, Observed] = field(default_factory=dict)
    unobserved: dict[Plane, DuoyunError] = field(default_factory=dict)

    def unknown(self, address: Address) -> bool:
        return any(plane.covers(address) for plane in self.unobserved)


def regions_of(fleet: Fleet, addresses: Iterable[Address]) -> tuple[RegionSpec, ...]:
    """The fleet's regions that those addresses lie in."""
    wanted = {(a.partition, a.account, a.region) for a in addresses}
    return tuple(r for r in fleet.spec.regions if _plane(fleet, r) in wanted)


def _plane(fleet: Fleet, region: RegionSpec) -> tuple[str, str, str]:
    account = fleet.account(region.account)
    return (account.partition, account.account_id, region.region)


def observe(
    fleet: Fleet,
    targets: Targets,
    *,
    regions: Iterable[RegionSpec] | None = None,
    also: Iterable[Address] = (),
    foreign: bool = False,
    timeout_s: float = 60.0,
    cancelled: Callable[[], bool] = lambda: False,
) -> World:
    """Lists what carries our fleet's tag in those regions (all by default), and gets the addresses in `also`.

    foreign: list what is not ours too. Raises nothing for what cannot be reached: see World.unobserved. A wrong
    credential is raised, because nothing else that follows could be right; so is Interrupted.
    """
    world = World()
    scope, also = tuple(fleet.spec.regions if regions is None else regions), tuple(also)
    tag = None if foreign else fleet.name

    def call() -> Call:
        return Call(deadline_s=time.monotonic() + timeout_s, fleet=fleet.name, cancelled=cancelled)

    def read_cloud(job: tuple[RegionSpec, Kind]) -> None:
        region, kind = job
        plane = Plane(*_plane(fleet, region))
        try:
            cloud = targets.cloud(fleet.account(region.account))
            for seen in cloud.list(kind, region.region, call(), fleet=tag):
                world.resources[seen.address] = seen
        except (Unauthenticated, Interrupted):
            raise
        except DuoyunError as exc:
            world.unobserved[plane] = exc

    def read_cluster(seen: Observed) -> None:
        address = seen.address
        plane = Plane(address.partition, address.account, address.region, address.name)
        try:
            region = regions_of(fleet, [address])[0]
            cluster = targets.cluster(fleet.account(region.account), address.region, address.name, call())
            for item in cluster.list(Kind.KUBERNETES_OBJECT, address.region, call(), fleet=fleet.name):
                world.resources[item.address] = item
        except (Unauthenticated, Interrupted):
            raise
        except DuoyunError as exc:
            world.unobserved[plane] = exc

    def read_one(address: Address) -> None:
        try:
            world.resources[address] = targets(address).get(address, call())
        except NotFound:
            return
        except (Unauthenticated, Interrupted):
            raise
        except CloudError as exc:
            cluster = address.name.split("/", 1)[0] if address.kind is Kind.KUBERNETES_OBJECT else ""
            world.unobserved.setdefault(Plane(address.partition, address.account, address.region, cluster), exc)

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="observe") as pool:
        list(pool.map(read_cloud, [(r, k) for r in scope for k in CLOUD_KINDS]))
        missed = [a for a in dict.fromkeys(also) if a not in world.resources and not world.unknown(a)]
        list(pool.map(read_one, [a for a in missed if a.kind is not Kind.KUBERNETES_OBJECT]))
        clusters = [
            o
            for o in world.resources.values()
            if o.address.kind is Kind.CLUSTER and o.state in (State.READY, State.UPDATING)
        ]
        ours = [o for o in clusters if o.owner == fleet.name or _in_fleet(fleet, o.address)]
        list(pool.map(read_cluster, ours))
        missed = [a for a in dict.fromkeys(also) if a not in world.resources and not world.unknown(a)]
        list(pool.map(read_one, [a for a in missed if a.kind is Kind.KUBERNETES_OBJECT]))
    return world


def _in_fleet(fleet: Fleet, address: Address) -> bool:
    return any(r.cluster is not None and r.cluster.name == address.name for r in regions_of(fleet, [address]))
