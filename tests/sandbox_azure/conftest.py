"""The Azure sandbox in a thread, and the real SDK's clients against it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
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
from sandbox.threaded import running
from tests.azure_sandbox import Azure


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
