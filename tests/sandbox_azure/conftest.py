"""The Azure sandbox in a thread, and the real SDK's clients against it."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from sandbox.accounts import load_accounts
from sandbox.azure.server import AzureServer, serve
from sandbox.containers import Containers
from sandbox.faults import Faults
from sandbox.timing import timing
from sandbox.world import ClusterHandle, NodeSpec, World


@dataclass
class FakeCluster:
    """A cluster that only knows its nodes."""

    url: str
    admin_token: str
    authenticate: Callable[[str], str | None]
    nodes: dict[str, NodeSpec] = field(default_factory=dict)

    async def add_node(self, node: NodeSpec) -> None:
        self.nodes[node.name] = node

    async def remove_node(self, name: str) -> None:
        self.nodes.pop(name, None)

    async def ready_nodes(self) -> tuple[str, ...]:
        return tuple(self.nodes)


class FakeClusters:
    def __init__(self) -> None:
        self.live: dict[str, FakeCluster] = {}

    async def create(
        self, cluster_id: str, *, version: str, authenticate: Callable[[str], str | None]
    ) -> ClusterHandle:
        port = 20000 + len(self.live)
        self.live[cluster_id] = FakeCluster(f"http://127.0.0.1:{port}", f"admin-{cluster_id}", authenticate)
        return self.live[cluster_id]

    def get(self, cluster_id: str) -> FakeCluster | None:
        return self.live.get(cluster_id)

    async def delete(self, cluster_id: str) -> None:
        self.live.pop(cluster_id, None)


@dataclass
class Loop:
    """An asyncio loop in a thread of its own."""

    loop: asyncio.AbstractEventLoop

    def run(self, coro: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coro, self.loop).result(30)


@pytest.fixture(scope="session")
def background() -> Iterator[Loop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield Loop(loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@dataclass
class Azure:
    """server and world of one test; groups are made unique, so tests may share them."""

    server: AzureServer
    world: World
    background: Loop
    clusters: FakeClusters
    faults: Faults


@pytest.fixture(scope="module")
def azure(background: Loop) -> Iterator[Azure]:
    clusters, faults = FakeClusters(), Faults()
    clock = timing("instant")

    async def begin() -> tuple[AzureServer, World, Containers]:
        containers = Containers(clock, seed=0)
        world = World(
            loop=background.loop,
            accounts=load_accounts(None),
            timing=clock,
            faults=faults,
            containers=containers,
            clusters=clusters,
        )
        return await serve(world), world, containers

    server, world, containers = background.run(begin())
    yield Azure(server, world, background, clusters, faults)
    background.run(server.close())
    background.run(containers.close())


class Token(SansIOHTTPPolicy):  # type: ignore[type-arg]
    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token

    def on_request(self, request: Any) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self.token}"


class Credential:
    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        return AccessToken("unused", 2**31)


class Sdk:
    """The real SDK's clients for one subscription and token."""

    def __init__(self, url: str, subscription: str, token: str) -> None:
        self._stack = ExitStack()
        self.subscription = subscription

        def make(cls: Any) -> Any:
            client = cls(
                Credential(),
                subscription,
                base_url=url,
                credential_scopes=["sandbox"],
                authentication_policy=Token(token),
                polling_interval=0.05,
                retry_total=0,
                transport=RequestsTransport(use_env_settings=False),
            )
            return self._stack.enter_context(client)

        self.compute = make(ComputeManagementClient)
        self.network = make(NetworkManagementClient)
        self.aks = make(ContainerServiceClient)
        self.resources = make(ResourceManagementClient)

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def sdk_for(azure: Azure) -> Iterator[Callable[..., Sdk]]:
    """sdk_for(partition="azure-cn", reader=False, token=None) -> Sdk."""
    made: list[Sdk] = []

    def make(
        partition: str = "azure-cn", *, reader: bool = False, token: str | None = None, subscription: str = ""
    ) -> Sdk:
        account = next(a for a in azure.world.accounts if a.partition == partition)
        secret = account.reader_secret if reader else account.secret
        sdk = Sdk(azure.server.url, subscription or account.account_id, secret if token is None else token)
        made.append(sdk)
        return sdk

    yield make
    for sdk in made:
        sdk.close()


@pytest.fixture(scope="module")
def sdk(sdk_for: Callable[..., Sdk]) -> Sdk:
    return sdk_for()


@pytest.fixture
def group(sdk: Sdk) -> str:
    """A resource group of the test's own, in chinanorth3."""
    from azure.mgmt.resource.resources.models import ResourceGroup

    name = f"rg-{uuid.uuid4().hex[:8]}"
    sdk.resources.resource_groups.create_or_update(name, ResourceGroup(location="chinanorth3"))
    return name
