"""From an address to the adapter that serves it: one cloud provider an account, one cluster provider a cluster.

Callers: observe, engine, drift. Opens lazily, keeps what it opened, is safe to use from several threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from model.errors import InvalidInput, Unauthenticated
from model.resources import Address, Kind
from model.spec.fleet import SANDBOX, AccountSpec, Fleet
from orchestrator.cluster_access import access_of
from orchestrator.executor import ANY, Executor
from orchestrator.registry import open_cloud
from orchestrator.sandbox_endpoints import SandboxEndpoints, read_endpoints
from providers.base import Account, Call, CloudProvider, ClusterAccess, Provider

OpenCluster = Callable[[Account, str, str, Call], Provider]


def resolve_account(
    spec: AccountSpec,
    sandbox: Callable[[], SandboxEndpoints] = read_endpoints,
    environ: Mapping[str, str] | None = None,
) -> Account:
    """The fleet's account with its endpoint and, where duoyun itself has to find them, its secrets.

    `DUOYUN_SANDBOX_READER=1` uses the sandbox's read-only keys. Raises Unauthenticated or Unreachable with the mend.
    """
    env = os.environ if environ is None else environ
    endpoint, secrets = spec.endpoint or "", dict[str, str]()
    if spec.endpoint == SANDBOX:
        running = sandbox()
        endpoint = running.clouds[spec.cloud]
        prefix = spec.credential.env_prefix
        if prefix:
            secrets = _from_environment(spec.name, prefix, env)
        else:
            reader = env.get("DUOYUN_SANDBOX_READER", "") == "1"
            secrets = running.secrets(spec.partition, spec.account_id, reader=reader)
    credential = {k: str(v) for k, v in spec.credential.model_dump(exclude_none=True, exclude_defaults=True).items()}
    options = {"resource_group": spec.resource_group} if spec.resource_group else {}
    return Account(
        name=spec.name,
        cloud=spec.cloud,
        partition=spec.partition,
        account_id=spec.account_id,
        endpoint=endpoint,
        proxy_url=spec.proxy_url or "",
        ca_bundle=spec.ca_bundle or "",
        credential=credential,
        secrets=secrets,
        options=options,
    )


def _from_environment(account: str, prefix: str, env: Mapping[str, str]) -> dict[str, str]:
    names = {"key_id": f"{prefix}_ACCESS_KEY_ID", "secret": f"{prefix}_SECRET_ACCESS_KEY"}
    found = {field: env[name] for field, name in names.items() if env.get(name)}
    if "secret" not in found:
        raise Unauthenticated(
            f"account {account}: no credentials in the environment",
            mend=f"export {names['key_id']} and {names['secret']}, or change the account's credential in the fleet",
        )
    return found


class Targets:
    """`targets(address)` gives the adapter. Clusters are opened through their cloud, on first use.

    executor: an account that is not its to work for is refused (OtherExecutor) before anything of it is looked up.
    folder: of the fleet file: what it names by path is found from there.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        folder: Path = Path(),
        executor: Executor = ANY,
        account_of: Callable[[AccountSpec], Account] = resolve_account,
    ) -> None:
        self._fleet = fleet
        self._folder = folder
        self.executor = executor
        self._account_of = account_of
        self._lock = threading.RLock()
        self._clouds: dict[str, CloudProvider] = {}
        self._clusters: dict[tuple[str, str, str], Provider] = {}
        self._by_plane: dict[tuple[str, str], AccountSpec] = {
            (a.partition, a.account_id): a for a in fleet.spec.accounts
        }

    def __call__(self, address: Address) -> Provider:
        spec = self._by_plane.get((address.partition, address.account))
        if spec is None:
            raise InvalidInput((), summary=f"{address}: the fleet has no account {address.account}")
        if address.kind is Kind.KUBERNETES_OBJECT:
            return self.cluster(spec, address.region, address.name.split("/", 1)[0])
        return self.cloud(spec)

    def cloud(self, spec: AccountSpec) -> CloudProvider:
        """The account's adapter; opened once. Raises OtherExecutor where it is not ours to work for."""
        self.executor.require(spec)
        with self._lock:
            if spec.name not in self._clouds:
                account = self._account_of(spec)
                if account.ca_bundle:
                    account = replace(account, ca_bundle=str(self._folder / account.ca_bundle))
                self._clouds[spec.name] = open_cloud(account)
            return self._clouds[spec.name]

    def cluster(self, spec: AccountSpec, region: str, name: str, call: Call | None = None) -> Provider:
        """The cluster's adapter. Raises NotFound while the cluster does not exist."""
        from providers.kubernetes import open_cluster

        self.executor.require(spec)
        key = (spec.name, region, name)
        with self._lock:
            if key in self._clusters:
                return self._clusters[key]
        access = self.access(spec, region, name, call or Call(fleet=self._fleet.name))
        provider = open_cluster(self.cloud(spec).account, region, name, access)
        with self._lock:
            return self._clusters.setdefault(key, provider)

    def access(self, spec: AccountSpec, region: str, name: str, call: Call) -> ClusterAccess:
        """How that cluster is reached. Raises NotFound while it does not exist, InvalidInput (cluster_access)."""
        cloud = self.cloud(spec)

        def from_cloud() -> ClusterAccess:
            observed = cloud.get(Address(spec.partition, spec.account_id, region, Kind.CLUSTER, name), call)
            return cloud.cluster_access(observed, call)

        regions = (r for r in self._fleet.spec.regions if (r.account, r.region) == (spec.name, region))
        clusters = (r.cluster for r in regions if r.cluster is not None and r.cluster.name == name)
        return access_of(next(clusters, None), self._folder, from_cloud)

    def forget_cluster(self, address: Address) -> None:
        """After a cluster was deleted or replaced: open it anew next time."""
        with self._lock:
            for key in [k for k in self._clusters if k[1] == address.region and k[2] == address.name]:
                del self._clusters[key]
