"""The adapter against Alibaba Cloud's sandbox in a thread, through the real SDK."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from model.resources import (
    Address,
    Cluster,
    Direction,
    FirewallGroup,
    FirewallRule,
    Instance,
    Kind,
    Network,
    NodePool,
    Subnet,
)
from providers.alibaba import open as open_alibaba
from providers.alibaba.provider import AlibabaProvider
from providers.base import Account, Call
from sandbox.accounts import new_account
from sandbox.alibaba.server import AlibabaServer, serve
from sandbox.containers import Containers
from sandbox.faults import Faults
from sandbox.timing import Instant
from sandbox.world import NodeSpec, SandboxAccount, World

UID = {"alibaba-cn": "5000000000000002", "alibaba-intl": "5000000000000001"}
USER_DATA = """#cloud-config
runcmd:
  - [podman, run, --detach, --publish, "8080:8080", --label, app.kubernetes.io/name=gate, registry.example/gate:v1]
"""


class CountingCluster:
    """A cluster that keeps its nodes in a dict; Kubernetes itself has tests of its own."""

    def __init__(self, cluster_id: str, authenticate: Callable[[str], str | None]) -> None:
        self.url, self.admin_token, self.authenticate = f"http://127.0.0.1:1/{cluster_id}", "admin", authenticate
        self.ca_pem = ""
        self.nodes: dict[str, NodeSpec] = {}

    async def add_node(self, node: NodeSpec) -> None:
        self.nodes[node.name] = node

    async def remove_node(self, name: str) -> None:
        self.nodes.pop(name, None)

    async def change_node(self, node: NodeSpec) -> None:
        self.nodes[node.name] = node

    async def lose_node(self, name: str) -> None:
        self.nodes.pop(name, None)

    async def ready_nodes(self) -> tuple[str, ...]:
        return tuple(self.nodes)


class CountingClusters:
    def __init__(self) -> None:
        self.made: dict[str, CountingCluster] = {}

    async def create(
        self, cluster_id: str, *, version: str, authenticate: Callable[[str], str | None], place: str = ""
    ) -> CountingCluster:
        self.made[cluster_id] = CountingCluster(cluster_id, authenticate)
        return self.made[cluster_id]

    def get(self, cluster_id: str) -> CountingCluster | None:
        return self.made.get(cluster_id)

    async def delete(self, cluster_id: str) -> None:
        self.made.pop(cluster_id, None)


@dataclass
class Sandbox:
    """The running sandbox, and adapters for its accounts."""

    server: AlibabaServer
    world: World
    faults: Faults
    clusters: CountingClusters

    def keys(self, partition: str = "alibaba-cn") -> SandboxAccount:
        return next(a for a in self.world.accounts if a.partition == partition)

    def account(self, partition: str = "alibaba-cn", *, reader: bool = False, **changes: Any) -> Account:
        k = self.keys(partition)
        pair = (k.reader_key_id, k.reader_secret) if reader else (k.key_id, k.secret)
        values: dict[str, Any] = {
            "name": "east",
            "cloud": "alibaba",
            "partition": partition,
            "account_id": UID[partition],
            "endpoint": self.server.url,
            "secrets": {"key_id": pair[0], "secret": pair[1]},
            "options": {"visible_within_s": 0.3},
        }
        return Account(**{**values, **changes})

    def provider(self, partition: str = "alibaba-cn", **kwargs: Any) -> AlibabaProvider:
        opened = open_alibaba(self.account(partition, **kwargs))
        assert isinstance(opened, AlibabaProvider)
        return opened

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.server.inventory() if row["kind"] == kind]


@dataclass
class Region:
    """What a region of a fleet needs, as desired values, and how to make it."""

    provider: AlibabaProvider
    region: str = "cn-hangzhou"
    zone: str = "cn-hangzhou-h"
    fleet: str = "shop"

    def call(self, key: str = "", timeout_s: float = 30.0, **kwargs: Any) -> Call:
        return Call(deadline_s=time.monotonic() + timeout_s, key=key, fleet=self.fleet, **kwargs)

    def at(self, kind: Kind, name: str) -> Address:
        account = self.provider.account
        return Address(account.partition, account.account_id, self.region, kind, name)

    def network(self) -> Network:
        return Network(name="main", cidr="10.14.0.0/16", tags={"team": "shop"})

    def subnet(self) -> Subnet:
        return Subnet(name="main-h", network="main", cidr="10.14.1.0/24", zone=self.zone)

    def group(self, *rules: FirewallRule) -> FirewallGroup:
        return FirewallGroup(name="web", network="main", rules=tuple(sorted(rules)), description="web servers")

    def instance(self, **changes: Any) -> Instance:
        values: dict[str, Any] = {
            "name": "gate-0",
            "zone": self.zone,
            "subnet": "main-h",
            "firewall_group": "web",
            "instance_type": "ecs.g7.large",
            "user_data": USER_DATA,
        }
        return Instance(**{**values, **changes})

    def cluster(self, **changes: Any) -> Cluster:
        values: dict[str, Any] = {"name": "main", "version": "1.35", "network": "main", "subnets": ("main-h",)}
        return Cluster(**{**values, **changes})

    def pool(self, **changes: Any) -> NodePool:
        values: dict[str, Any] = {
            "name": "h-g7",
            "cluster": "main",
            "zone": self.zone,
            "subnet": "main-h",
            "instance_type": "ecs.g7.xlarge",
            "count": 2,
            "labels": {"duoyun.dev/site": "alibaba-cn.cn-hangzhou-h"},
        }
        return NodePool(**{**values, **changes})

    def make(self, *resources: Any) -> None:
        """Creates in order, each ready before the next."""
        for resource in resources:
            address = self.at(resource.KIND, resource.name)
            self.provider.create(address, resource, self.call(f"key-{resource.KIND}-{resource.name}"))
            self.provider.wait_ready(address, self.call())

    def base(self) -> None:
        self.make(self.network(), self.subnet(), self.group())


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, name="sandbox", daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(10)
    made.close()


@pytest.fixture
def sandbox(loop: asyncio.AbstractEventLoop) -> Iterator[Sandbox]:
    timing, faults, clusters = Instant(), Faults(0), CountingClusters()
    containers = Containers(timing, seed=0)
    accounts = tuple(new_account("alibaba", partition, uid) for partition, uid in UID.items())
    world = World(loop, accounts, timing, faults, containers, clusters)
    server = asyncio.run_coroutine_threadsafe(serve(world), loop).result(20)
    yield Sandbox(server, world, faults, clusters)
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(20)
    asyncio.run_coroutine_threadsafe(containers.close(), loop).result(20)


@pytest.fixture
def region(sandbox: Sandbox) -> Region:
    return Region(sandbox.provider())


@pytest.fixture
def rule() -> Callable[..., FirewallRule]:
    """An ingress rule on one port."""

    def make(port: int = 443, cidr: str = "0.0.0.0/0", **more: Any) -> FirewallRule:
        values: dict[str, Any] = {"direction": Direction.INGRESS, "protocol": "tcp", "port_from": port, "port_to": port}
        return FirewallRule(**{**values, "cidr": cidr, **more})

    return make
