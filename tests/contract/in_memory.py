"""providers.fake as one more site of the contract: no sandbox, no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import count
from types import SimpleNamespace
from typing import Any

from model.resources import (
    Address,
    AnyResource,
    AuditTrail,
    Bucket,
    Cache,
    Certificate,
    Database,
    FirewallGroup,
    Identity,
    Key,
    Kind,
    ManagedService,
    NatGateway,
    Network,
    NodePool,
    Observed,
    PublicIp,
    Queue,
)
from providers.base import Account, Call
from providers.fake import FakeCloud
from providers.fake.cloud import ENDPOINT
from tests.contract.clouds import Cloud, Stranger
from tests.contract.site import Site, rule
from tools.conformance.more import MADE, Foreign, More

CLOUD = FakeCloud(seed=1, keys={"writer": ("secret-of-the-writer", True), "reader": ("secret-of-the-reader", False)})
ROW = {
    "partition": "fake", "account_id": "1", "cloud": "fake", "key_id": "writer", "secret": "secret-of-the-writer",
    "reader_key_id": "reader", "reader_secret": "secret-of-the-reader",
}  # fmt: skip


def _network(account: Account, region: str, name: str) -> None:
    at = Address("fake", account.account_id, region, Kind.NETWORK, name)
    CLOUD.make(at, Network(name=name, cidr="10.77.0.0/16"), "", "mallory")


def _open_port(_account: Account, _region: str, group: str, port: int) -> None:
    (row,) = [r for r in CLOUD.rows() if r.id == group]
    assert isinstance(row.resource, FirewallGroup)
    CLOUD.change(group, replace(row.resource, rules=tuple(sorted([*row.resource.rules, rule(port)]))), "mallory")


@dataclass
class FakeRunning:
    """As much of sandbox.threaded.Running as sites and tests use."""

    endpoints: dict[str, Any] = field(default_factory=lambda: {"clouds": {"fake": {"url": ENDPOINT}}})
    sandbox: Any = field(default_factory=lambda: SimpleNamespace(faults=CLOUD.faults))

    def account(self, _partition: str) -> dict[str, Any]:
        return ROW


class FakeSite(Site):
    def inventory(self) -> list[dict[str, Any]]:
        return [{"kind": str(r.address.kind), "id": r.id, "name": r.address.name} for r in CLOUD.rows()]

    def nodes(self, cluster: Observed) -> list[dict[str, Any]]:
        """What the cluster's pools stand for; there is no API to ask."""
        access = self.provider.cluster_access(cluster, self.call())
        assert access.token is not None
        pools = [r.resource for r in CLOUD.rows() if isinstance(r.resource, NodePool)]
        pools = [p for p in pools if p.cluster == cluster.address.name]
        labels = [{**p.labels, "topology.kubernetes.io/zone": p.zone} for p in pools for _ in range(p.count)]
        return [{"metadata": {"labels": row}} for row in labels]

    def http_status(self, url: str) -> int:
        """Of machines that are there by address; what they run is not played."""
        machines = self.provider.list(Kind.INSTANCE, self.cloud.region, Call())
        return 200 if any(f"//{o.private_ip}:" in url for o in machines) else 503


WHERE = Cloud(
    "fake", "fake", "nowhere-1", ("nowhere-1a", "nowhere-1b"), "small", "large",
    creates={kind: f"create {kind}" for kind in Kind},
    throttled=(429, "Throttled"), stumbles=(500, "Stumbled"), quota=(403, "QuotaExceeded"),
    stranger=Stranger(_network, _open_port, lambda _account: "mallory"),
)  # fmt: skip


def fake_site() -> Site:
    return FakeSite(WHERE, FakeRunning(), "contract", count(1), opener=CLOUD.open)


# -- further kinds -----------------------------------------------------------------------------------------------------


def _theirs(make: Callable[[str], AnyResource]) -> Foreign:
    """Somebody else's resource; what of it must be seen are the fields that were set."""

    def made(account: Account, region: str, name: str) -> Mapping[str, Any]:
        resource = make(name)
        CLOUD.make(Address("fake", account.account_id, region, resource.KIND, name), resource, "", "mallory")
        return {f.name: value for f in fields(resource) if (value := getattr(resource, f.name)) != f.default and value}

    return made


def _page_size(_running: Any, rows: int) -> int:
    before, CLOUD.page_size = CLOUD.page_size, rows
    return before


MORE = More(
    creates={kind: f"create {kind}" for kind in MADE},
    dns_zone=lambda _account, _region, name: CLOUD.dns_zones.add(name),
    strangers={
        Kind.BUCKET: _theirs(lambda name: Bucket(name=name, versioning=True)),
        Kind.KEY: _theirs(lambda name: Key(name=name, rotation_days=90)),
        Kind.CERTIFICATE: _theirs(lambda name: Certificate(name=name, domains=("a.example",))),
        Kind.NAT_GATEWAY: _theirs(lambda name: NatGateway(name=name, network="theirs")),
        Kind.PUBLIC_IP: _theirs(lambda name: PublicIp(name=name, address="192.0.2.9")),
        Kind.DATABASE: _theirs(lambda name: Database(name=name, engine="mysql")),
        Kind.CACHE: _theirs(lambda name: Cache(name=name, engine="redis")),
        Kind.QUEUE: _theirs(lambda name: Queue(name=name, encrypted=True)),
        Kind.AUDIT_TRAIL: _theirs(lambda name: AuditTrail(name=name, all_regions=True)),
        Kind.IDENTITY: _theirs(lambda name: Identity(name=name, mfa=True)),
        Kind.MANAGED_SERVICE: _theirs(lambda name: ManagedService(name=name, service="file_system")),
    },
    page_size=_page_size,
)
