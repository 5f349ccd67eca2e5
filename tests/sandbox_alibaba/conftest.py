"""Alibaba Cloud's sandbox in a thread, and the real SDK pointed at it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from sandbox.accounts import new_account
from sandbox.alibaba.server import AlibabaServer, serve
from sandbox.containers import Containers
from sandbox.faults import Faults
from sandbox.timing import Instant
from sandbox.world import NodeSpec, World

VERSIONS = {"Ecs": "2014-05-26", "Vpc": "2016-04-28", "Sts": "2015-04-01", "Actiontrail": "2020-07-06"}


class FakeCluster:
    """A cluster that only counts its nodes: the Kubernetes API has tests of its own."""

    def __init__(self, url: str, authenticate: Callable[[str], str | None]) -> None:
        self.url, self.admin_token, self.authenticate, self.ca_pem = url, "admin", authenticate, ""
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


class FakeClusters:
    def __init__(self) -> None:
        self.made: dict[str, FakeCluster] = {}

    async def create(
        self, cluster_id: str, *, version: str, authenticate: Callable[[str], str | None], place: str = ""
    ) -> FakeCluster:
        self.made[cluster_id] = FakeCluster(f"http://127.0.0.1:1/{cluster_id}", authenticate)
        return self.made[cluster_id]

    def get(self, cluster_id: str) -> FakeCluster | None:
        return self.made.get(cluster_id)

    async def delete(self, cluster_id: str) -> None:
        self.made.pop(cluster_id, None)


@dataclass
class Cloud:
    """The running sandbox. rpc() and roa() go through aliyun-python-sdk-core."""

    server: AlibabaServer
    world: World
    faults: Faults
    clusters: FakeClusters
    loop: asyncio.AbstractEventLoop

    def account(self, partition: str = "alibaba-cn") -> Any:
        return next(a for a in self.world.accounts if a.partition == partition)

    def client(self, region: str = "cn-hangzhou", *, partition: str = "alibaba-cn", reader: bool = False) -> AcsClient:
        a = self.account(partition)
        key, secret = (a.reader_key_id, a.reader_secret) if reader else (a.key_id, a.secret)
        return AcsClient(key, secret, region, auto_retry=False)

    def send(self, client: AcsClient, request: CommonRequest) -> Any:
        request.set_domain(self.server.url.removeprefix("http://"))
        request.set_protocol_type("http")
        return json.loads(client.do_action_with_exception(request))

    def rpc(self, product: str, action: str, client: AcsClient | None = None, **params: Any) -> dict[str, Any]:
        request = CommonRequest(product=product, version=VERSIONS[product], action_name=action)
        request.set_method("POST")
        used = client or self.client()
        request.add_query_param("RegionId", used.get_region_id())
        for name, value in params.items():
            request.add_query_param(name.replace("__", "."), value)
        return self.send(used, request)

    def roa(self, method: str, path: str, body: Any = None, client: AcsClient | None = None, **query: Any) -> Any:
        request = CommonRequest(product="CS", version="2015-12-15", uri_pattern=path)
        request.set_method(method)
        for name, value in query.items():
            request.add_query_param(name, value)
        if body is not None:
            request.set_content(json.dumps(body).encode())
            request.set_content_type("application/json")
        return self.send(client or self.client(), request)

    def wait(self, probe: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Until probe() is truthy."""
        done = threading.Event()
        deadline = self.loop.time() + timeout_s
        while not (value := probe()):
            assert self.loop.time() < deadline, "what was waited for did not happen"
            done.wait(0.01)
        return value

    def network(self, region: str = "cn-hangzhou", **kwargs: Any) -> tuple[str, str, str]:
        """(VPC, vSwitch, security group), ready."""
        c = kwargs.get("client") or self.client(region)
        vpc = self.rpc("Vpc", "CreateVpc", c, CidrBlock="10.0.0.0/8", VpcName="main")["VpcId"]
        self.wait(lambda: self.rpc("Vpc", "DescribeVpcs", c, VpcId=vpc)["Vpcs"]["Vpc"][0]["Status"] == "Available")
        zone = self.rpc("Ecs", "DescribeZones", c)["Zones"]["Zone"][0]["ZoneId"]
        switch = self.rpc("Vpc", "CreateVSwitch", c, VpcId=vpc, ZoneId=zone, CidrBlock="10.1.0.0/16")["VSwitchId"]

        def ready() -> bool:
            rows = self.rpc("Vpc", "DescribeVSwitches", c, VSwitchId=switch)["VSwitches"]["VSwitch"]
            return bool(rows[0]["Status"] == "Available")

        self.wait(ready)
        group = self.rpc("Ecs", "CreateSecurityGroup", c, VpcId=vpc, SecurityGroupName="web")["SecurityGroupId"]
        return vpc, switch, group


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
def cloud(loop: asyncio.AbstractEventLoop) -> Iterator[Cloud]:
    timing, faults, clusters = Instant(), Faults(0), FakeClusters()
    containers = Containers(timing, seed=0)
    accounts = tuple(
        new_account("alibaba", partition, uid)
        for partition, uid in (("alibaba-intl", "5000000000000001"), ("alibaba-cn", "5000000000000002"))
    )
    world = World(loop, accounts, timing, faults, containers, clusters)
    server = asyncio.run_coroutine_threadsafe(serve(world), loop).result(20)
    yield Cloud(server, world, faults, clusters, loop)
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(20)
    asyncio.run_coroutine_threadsafe(containers.close(), loop).result(20)


@pytest.fixture
def refused() -> Callable[..., ServerException]:
    """Calls fn and returns the error it must raise."""

    def call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> ServerException:
        with pytest.raises(ServerException) as caught:
            fn(*args, **kwargs)
        return caught.value

    return call
