"""Clients of one subscription: endpoints, credentials, timeouts, retries, pages. Nothing here knows a resource kind.

Callers: the other files of this package. The SDK's own retries are off; providers.calls.Calls does them.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest

from model.errors import Unauthenticated
from providers.azure.errors import mapper
from providers.azure.sdk_models import guard_models
from providers.base import Account, Call
from providers.calls import Calls

T = TypeVar("T")
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0

# partition -> (Resource Manager, Entra ID authority). Source: learn.microsoft.com/azure/china/resources-developer-guide
ENDPOINTS = {
    "azure": ("https://management.azure.com", "login.microsoftonline.com"),
    "azure-cn": ("https://management.chinacloudapi.cn", "login.chinacloudapi.cn"),
}
_SDK_OPTIONS: dict[str, Any] = {"retry_total": 0, "polling_interval": 1, "logging_enable": False}

# azure-identity warns of each failed attempt; what failed is in our errors, and nothing else belongs on the terminal.
logging.getLogger("azure.identity").addHandler(logging.NullHandler())


class LoopbackBearer(SansIOHTTPPolicy):  # type: ignore[misc]
    """Sends a fixed bearer token over plain HTTP, to loopback addresses only."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def on_request(self, request: Any) -> None:
        if not is_loopback(request.http_request.url):
            raise Unauthenticated("a sandbox token is sent to loopback addresses only")
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"


class _NoCredential:
    """The SDK wants a credential object even where a policy of ours signs."""

    def get_token(self, *_scopes: str, **_kwargs: Any) -> AccessToken:
        raise Unauthenticated("the sandbox has no token service")


def is_loopback(url: str) -> bool:
    """Whether the URL's host is an address of 127.0.0.0/8 or ::1 (names are not looked up)."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def make_credential(account: Account) -> Any:
    """azure-identity's credential for an account. Raises Unauthenticated naming what is missing.

    secrets tenant_id, client_id, client_secret, or the environment's under credential.env_prefix
    (PREFIX_TENANT_ID, PREFIX_CLIENT_ID, PREFIX_CLIENT_SECRET): a service principal. Otherwise the SDK's chain
    (environment, workload identity, managed identity, az), with credential.tenant_id where given. Another credential
    than the one that the fleet names is never used in its place.
    """
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    authority = ENDPOINTS[account.partition][1]
    names = ("tenant_id", "client_id", "client_secret")
    prefix = account.credential.get("env_prefix", "")
    if account.credential.get("profile"):
        raise Unauthenticated(
            f"account {account.name}: Azure has no profiles",
            mend="name an env_prefix, or leave the credential out for the SDK's own chain",
        )
    found = {name: os.environ.get(f"{prefix}_{name.upper()}", "") for name in names} if prefix else {}
    secrets = {name: account.secrets.get(name, "") or found.get(name, "") for name in names}
    if not prefix and not any(secrets.values()):
        tenant = account.credential.get("tenant_id")
        more = {"workload_identity_tenant_id": tenant} if tenant else {}
        return DefaultAzureCredential(
            authority=authority,
            exclude_interactive_browser_credential=True,
            exclude_visual_studio_code_credential=True,
            **more,
            **_way_out(account),
        )
    missing = [name for name in names if not secrets[name]]
    if missing:
        raise Unauthenticated(
            f"account {account.name}: the service principal has no {', '.join(missing)}",
            mend="export " + ", ".join(f"{prefix or 'PREFIX'}_{name.upper()}" for name in missing),
        )
    return ClientSecretCredential(authority=authority, **secrets, **_way_out(account))


def _way_out(account: Account) -> dict[str, Any]:
    """How tokens are fetched: as the account's calls go out. https alone, since the instance's own service is near."""
    options: dict[str, Any] = {}
    if account.proxy_url:
        options["proxies"] = {"https": account.proxy_url}
    if account.ca_bundle:
        options["connection_verify"] = account.ca_bundle
    return options


class Session:
    """One subscription. Clients are made on first use, under a lock, and shared by all threads."""

    def __init__(self, account: Account) -> None:
        if account.partition not in ENDPOINTS:
            raise Unauthenticated(f"account {account.name}: {account.partition!r} is no partition of Azure")
        self.account = account
        self.base_url = account.endpoint.rstrip("/") or ENDPOINTS[account.partition][0]
        self.loopback = is_loopback(self.base_url)
        if self.loopback and not account.secrets.get("secret"):
            raise Unauthenticated(
                f"account {account.name}: no token for the sandbox at {self.base_url}",
                mend="is the sandbox running? `duoyun sandbox status` tells",
            )
        self.calls = Calls(mapper(account))
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._credential: Any = None
        self._zones: dict[str, tuple[str, ...]] | None = None
        self._asking = threading.Lock()

    # -- clients -----------------------------------------------------------------------------------------------

    @property
    def compute(self) -> Any:
        from azure.mgmt.compute import ComputeManagementClient

        return self._client(ComputeManagementClient)

    @property
    def network(self) -> Any:
        from azure.mgmt.network import NetworkManagementClient

        return self._client(NetworkManagementClient)

    @property
    def aks(self) -> Any:
        from azure.mgmt.containerservice import ContainerServiceClient

        return self._client(ContainerServiceClient)

    @property
    def resources(self) -> Any:
        from azure.mgmt.resource.resources import ResourceManagementClient

        return self._client(ResourceManagementClient)

    @property
    def credential(self) -> Any:
        """azure-identity's credential; the sandbox has none to give."""
        with self._lock:
            return self._make_credential()

    def _make_credential(self) -> Any:
        if self._credential is None:
            self._credential = _NoCredential() if self.loopback else make_credential(self.account)
        return self._credential

    def _client(self, cls: Any) -> Any:
        with self._lock:
            if cls.__name__ not in self._clients:
                guard_models(cls)
                self._clients[cls.__name__] = cls(
                    self._make_credential(),
                    self.account.account_id,
                    base_url=self.base_url,
                    **self._options(),
                    **_SDK_OPTIONS,
                )
            return self._clients[cls.__name__]

    def _options(self) -> dict[str, Any]:
        if self.loopback:
            return {
                "credential_scopes": ["sandbox"],
                "authentication_policy": LoopbackBearer(self.account.secrets["secret"]),
                "transport": RequestsTransport(use_env_settings=False),
            }
        options: dict[str, Any] = {"credential_scopes": [self.scope]}
        if self.account.proxy_url:
            options["proxies"] = {"http": self.account.proxy_url, "https": self.account.proxy_url}
        if self.account.ca_bundle:
            options["connection_verify"] = self.account.ca_bundle
        return options

    @property
    def scope(self) -> str:
        return f"{ENDPOINTS[self.account.partition][0]}/.default"

    def close(self) -> None:
        """Ends the connections; the session can be used again."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    # -- calls -------------------------------------------------------------------------------------------------

    def run(self, operation: str, method: Callable[..., T], *args: Any, call: Call, **kwargs: Any) -> T:
        """One read, retried until the deadline. operation like `network.subnets.get`; its first word is the API."""
        return self._run(operation, method, args, kwargs, call, write=False)

    def write(self, operation: str, method: Callable[..., T], *args: Any, call: Call, **kwargs: Any) -> T:
        """One write: asks call.guard() before each attempt."""
        return self._run(operation, method, args, kwargs, call, write=True)

    def begin(self, operation: str, method: Callable[..., Any], *args: Any, call: Call, **kwargs: Any) -> None:
        """Starts a long-running operation and returns once Azure has accepted it."""
        self._run(operation, method, args, kwargs | {"polling": False}, call, write=True)

    def _run(
        self, operation: str, method: Callable[..., T], args: Any, kwargs: dict[str, Any], call: Call, *, write: bool
    ) -> T:
        api = operation.split(".", 1)[0] + (".write" if write else "")
        return self.calls.run(operation, lambda: method(*args, **kwargs, **_timeouts(call)), call, api=api, write=write)

    def pages(self, operation: str, method: Callable[..., Any], *args: Any, call: Call, **kwargs: Any) -> Iterator[Any]:
        """Items of a list, page by page; each page is retried by itself."""
        pages = method(*args, **kwargs, **_timeouts(call)).by_page()
        while True:
            page = self.calls.run(operation, lambda: _next_page(pages), call, api=operation.split(".", 1)[0])
            if page is None:
                return
            yield from page

    def zones(self, region: str, call: Call) -> tuple[str, ...]:
        """Availability zones of a region, () where it has none or is not known. Asked once per session, by one thread
        while the others wait for it."""
        if self._zones is None:
            with self._asking:
                if self._zones is None:
                    self._zones = self._ask_zones(call)
        return self._zones.get(region, ())

    def _ask_zones(self, call: Call) -> dict[str, tuple[str, ...]]:
        path = f"/subscriptions/{self.account.account_id}/locations"
        found = self.get_json("resources.locations.list", path, call, **{"api-version": "2022-12-01"})
        return {
            str(row["name"]): tuple(sorted(m["logicalZone"] for m in row.get("availabilityZoneMappings") or ()))
            for row in found.get("value") or ()
        }

    def get_json(self, operation: str, path: str, call: Call, **params: str) -> dict[str, Any]:
        """GET of something that no installed SDK has; path from /subscriptions on, or a nextLink."""
        url = path if path.startswith("http") else self.base_url + path

        def fetch(**timeouts: float) -> dict[str, Any]:
            response = self.resources.send_request(HttpRequest("GET", url, params=params or None), **timeouts)
            response.raise_for_status()
            return cast("dict[str, Any]", response.json())

        return self._run(operation, fetch, (), {}, call, write=False)


def _timeouts(call: Call) -> dict[str, float]:
    """No request outlasts the deadline."""
    left = max(0.1, call.remaining_s())
    return {"connection_timeout": min(CONNECT_TIMEOUT_S, left), "read_timeout": min(READ_TIMEOUT_S, left)}


def _next_page(pages: Iterator[Any]) -> list[Any] | None:
    page = next(pages, None)
    return None if page is None else list(page)
