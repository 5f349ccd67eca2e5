"""The Azure sandbox in a thread, and the real SDK's clients against it."""

from __future__ import annotations

import json
import ssl
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from sandbox.app import Options
from sandbox.azure.server import AzureServer
from sandbox.faults import Faults
from sandbox.threaded import Running, running
from sandbox.world import World


@dataclass
class Live:
    """A running cluster of the sandbox, looked at through its own API."""

    url: str
    token: str
    ca_pem: str

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca_pem)

    def get(self, path: str, token: str | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.token if token is None else token}"}
        )
        with urllib.request.urlopen(request, timeout=5, context=self.trust) as answer:
            return json.load(answer)

    def zones(self) -> list[str]:
        """topology.kubernetes.io/zone of every node."""
        nodes = self.get("/api/v1/nodes")["items"]
        return sorted(n["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in nodes)


@dataclass
class Azure:
    """The sandbox of one test module; tests use groups of their own."""

    running: Running

    @property
    def server(self) -> AzureServer:
        server = self.running.sandbox.servers["azure"]
        assert isinstance(server, AzureServer)
        return server

    @property
    def world(self) -> World:
        return self.running.world

    @property
    def faults(self) -> Faults:
        return self.running.sandbox.faults

    def run(self, coro: Any) -> Any:
        """A coroutine on the sandbox's loop."""
        return self.world.from_thread(coro)

    def clusters(self) -> list[Live]:
        host: Any = self.world.clusters
        return [Live(c.url, c.admin_token, c.ca_pem) for c in (host.cluster(i) for i in host.ids())]


@pytest.fixture(scope="module")
def azure() -> Iterator[Azure]:
    with running(Options(clouds=("azure",))) as sandbox:
        yield Azure(sandbox)


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
