"""The Azure sandbox in a thread, and the adapter against it through the real SDK."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from model.resources import (
    Address,
    AnyResource,
    Cluster,
    Direction,
    FirewallGroup,
    FirewallRule,
    Instance,
    Kind,
    Network,
    NodePool,
    Observed,
    Subnet,
)
from providers.azure import open as open_azure
from providers.azure.provider import AzureProvider
from providers.base import Account, Call
from sandbox.app import Options
from sandbox.threaded import running
from tests.azure_sandbox import Azure


@pytest.fixture(scope="module")
def azure() -> Iterator[Azure]:
    with running(Options(clouds=("azure",))) as sandbox:
        yield Azure(sandbox)


REGION = "chinanorth3"


class Rig:
    """A provider and a fleet of one test's own."""

    def __init__(self, azure: Azure, provider: AzureProvider, fleet: str) -> None:
        self.azure, self.provider, self.fleet = azure, provider, fleet
        self.progress: list[str] = []

    def call(self, key: str = "k1", timeout_s: float = 20.0, **kwargs: Any) -> Call:
        return Call(
            deadline_s=time.monotonic() + timeout_s,
            key=key,
            fleet=self.fleet,
            progress=self.progress.append,
            **kwargs,
        )

    def address(self, kind: Kind, name: str) -> Address:
        account = self.provider.account
        return Address(account.partition, account.account_id, REGION, kind, name)

    def make(self, desired: AnyResource, key: str = "k1") -> Observed:
        """Created and ready."""
        at = self.address(desired.KIND, desired.name)
        self.provider.create(at, desired, self.call(key))
        return self.provider.wait_ready(at, self.call())

    def drop(self, observed: Observed) -> None:
        self.provider.delete(observed, self.call())
        self.provider.wait_gone(observed.address, self.call())

    def names(self, kind: Kind) -> list[str]:
        return sorted(o.address.name for o in self.provider.list(kind, REGION, self.call(), fleet=self.fleet))

    def inventory(self) -> list[str]:
        """Kinds of what is live in this fleet's groups."""
        rows = self.azure.server.inventory()
        return sorted(r["kind"].split("/")[-1] for r in rows if f"-{self.fleet}-" in r["id"])

    def network(self, subnets: int = 1, firewall: bool = True) -> None:
        """A network `main` with subnets `s1`.. and the firewall group `web`."""
        self.make(Network(name="main", cidr="10.1.0.0/16", tags={"team": "shop"}))
        for number in range(1, subnets + 1):
            zone = f"{REGION}-{number}"
            self.make(Subnet(name=f"s{number}", network="main", cidr=f"10.1.{number}.0/24", zone=zone))
        if firewall:
            self.make(FirewallGroup(name="web", network="main", rules=(rule(443), rule(80))))


def rule(port: int, cidr: str = "0.0.0.0/0", **kwargs: Any) -> FirewallRule:
    fields: dict[str, Any] = {
        "direction": Direction.INGRESS, "protocol": "tcp", "port_from": port, "port_to": port, "cidr": cidr,
    }  # fmt: skip
    return FirewallRule(**(fields | kwargs))


def cluster(**kwargs: Any) -> Cluster:
    fields: dict[str, Any] = {
        "name": "main", "version": "1.35", "network": "main", "subnets": ("s1", "s2"), "firewall_group": "web",
        "public_access_cidrs": ("203.0.113.0/24",), "tags": {"team": "shop"},
    }  # fmt: skip
    return Cluster(**(fields | kwargs))


def pool(**kwargs: Any) -> NodePool:
    fields: dict[str, Any] = {
        "name": "general-chinanorth3-2", "cluster": "main", "zone": f"{REGION}-2", "subnet": "s2",
        "instance_type": "Standard_D4s_v5", "count": 2, "labels": {"duoyun.dev/pool": "general"},
    }  # fmt: skip
    return NodePool(**(fields | kwargs))


USER_DATA = """#cloud-config
runcmd:
  - podman run -d -p 8080:8080 --label app.kubernetes.io/name=ledger shop/ledger:1
"""


def instance(**kwargs: Any) -> Instance:
    fields: dict[str, Any] = {
        "name": "ledger-1", "zone": f"{REGION}-1", "subnet": "s1", "firewall_group": "web",
        "instance_type": "Standard_D2s_v5", "user_data": USER_DATA, "public_ip": True, "tags": {"team": "pay"},
    }  # fmt: skip
    return Instance(**(fields | kwargs))


def account_of(azure: Azure, partition: str = "azure-cn", *, reader: bool = False, **kwargs: Any) -> Account:
    found = next(a for a in azure.world.accounts if a.partition == partition)
    secrets = {
        "key_id": found.reader_key_id if reader else found.key_id,
        "secret": found.reader_secret if reader else found.secret,
    }
    fields: dict[str, Any] = {
        "name": "azure-china", "cloud": "azure", "partition": partition, "account_id": found.account_id,
        "endpoint": azure.server.url, "secrets": secrets,
    }  # fmt: skip
    return Account(**(fields | kwargs))


@pytest.fixture
def open_account(azure: Azure) -> Iterator[Callable[..., AzureProvider]]:
    """open_account(reader=False, **account fields) -> provider, closed at the end."""
    made: list[AzureProvider] = []

    def make(**kwargs: Any) -> AzureProvider:
        provider = open_azure(account_of(azure, **kwargs))
        assert isinstance(provider, AzureProvider)
        made.append(provider)
        return provider

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def rig(azure: Azure, open_account: Callable[..., AzureProvider]) -> Iterator[Rig]:
    yield Rig(azure, open_account(), f"f{uuid.uuid4().hex[:8]}")
    azure.faults.clear()


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Builders: make.rule(443), make.cluster(), make.pool(), make.instance(), make.account_of(azure)."""
    return SimpleNamespace(
        rule=rule, cluster=cluster, pool=pool, instance=instance, account_of=account_of, Rig=Rig, Azure=Azure
    )
