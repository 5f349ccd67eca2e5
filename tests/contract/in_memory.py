"""providers.fake as one more site of the contract: no sandbox, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace
from typing import Any

from model.resources import Address, FirewallGroup, Kind, Network, NodePool, Observed
from providers.base import Account, Call
from providers.fake import FakeCloud
from providers.fake.cloud import ENDPOINT
from tests.contract.clouds import Cloud, Stranger
from tests.contract.site import Site, rule

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
