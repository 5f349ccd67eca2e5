"""Reads what is there: every account and cluster in scope, side by side.

What could not be read is reported as unobserved, with its reason: unknown, never absent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from model.errors import DuoyunError, Interrupted, NotFound, Unauthenticated
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
    scope, also = tuple(fleet.spec.regions if regions is None else regions), tuple(dict.fromkeys(also))
    reader = _Reader(fleet, targets, None if foreign else fleet.name, timeout_s, cancelled)
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="observe") as pool:
        list(pool.map(reader.cloud, [(r, k) for r in scope for k in CLOUD_KINDS]))
        list(pool.map(reader.one, [a for a in reader.missed(also) if a.kind is not Kind.KUBERNETES_OBJECT]))
        list(pool.map(reader.cluster, reader.clusters()))
        list(pool.map(reader.one, [a for a in reader.missed(also) if a.kind is Kind.KUBERNETES_OBJECT]))
    return reader.world


@dataclass(frozen=True, slots=True)
class _Reader:
    """Fills one World, from many threads. tag: whose things are listed; None: everybody's."""

    fleet: Fleet
    targets: Targets
    tag: str | None
    timeout_s: float
    cancelled: Callable[[], bool]
    world: World = field(default_factory=World)

    def cloud(self, job: tuple[RegionSpec, Kind]) -> None:
        region, kind = job
        account = self.fleet.account(region.account)
        with self._unless_unread(Plane(account.partition, account.account_id, region.region)):
            for seen in self.targets.cloud(account).list(kind, region.region, self._call(), fleet=self.tag):
                self.world.resources[seen.address] = seen

    def clusters(self) -> list[Observed]:
        """Those that were seen and are ours to look into."""
        return [
            o
            for o in self.world.resources.values()
            if o.address.kind is Kind.CLUSTER
            and o.state in (State.READY, State.UPDATING)
            and (o.owner == self.fleet.name or _in_fleet(self.fleet, o.address))
        ]

    def cluster(self, seen: Observed) -> None:
        address = seen.address
        with self._unless_unread(Plane(address.partition, address.account, address.region, address.name)):
            account = self.fleet.account(regions_of(self.fleet, [address])[0].account)
            cluster = self.targets.cluster(account, address.region, address.name, self._call())
            for item in cluster.list(Kind.KUBERNETES_OBJECT, address.region, self._call(), fleet=self.fleet.name):
                self.world.resources[item.address] = item

    def one(self, address: Address) -> None:
        cluster = address.name.split("/", 1)[0] if address.kind is Kind.KUBERNETES_OBJECT else ""
        with (
            self._unless_unread(Plane(address.partition, address.account, address.region, cluster)),
            suppress(NotFound),
        ):
            self.world.resources[address] = self.targets(address).get(address, self._call())

    def missed(self, addresses: Iterable[Address]) -> list[Address]:
        """Those of which nothing is known yet, and no reason for that either."""
        return [a for a in addresses if a not in self.world.resources and not self.world.unknown(a)]

    @contextmanager
    def _unless_unread(self, plane: Plane) -> Iterator[None]:
        try:
            yield
        except (Unauthenticated, Interrupted):
            raise
        except DuoyunError as exc:
            self.world.unobserved.setdefault(plane, exc)

    def _call(self) -> Call:
        return Call(deadline_s=time.monotonic() + self.timeout_s, fleet=self.fleet.name, cancelled=self.cancelled)


def _in_fleet(fleet: Fleet, address: Address) -> bool:
    return any(r.cluster is not None and r.cluster.name == address.name for r in regions_of(fleet, [address]))
