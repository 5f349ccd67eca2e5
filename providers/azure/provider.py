"""Azure as a CloudProvider: picks the adapter of a kind; who we are, who changed what, how to reach a cluster.

Callers: orchestrator, through providers.azure.open(account).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from model.errors import InvalidRequest, NotFound
from model.facts.live import ListPrice, Quota, SpotPrice
from model.resources import Address, AnyResource, Change, Kind, Observed
from providers.azure import checking, offers, permissions, prices
from providers.azure.adapter import Adapter
from providers.azure.balancers import LoadBalancers
from providers.azure.changes import changes
from providers.azure.cluster import Clusters
from providers.azure.databases import Databases
from providers.azure.disks import Disks
from providers.azure.dns import DnsRecords
from providers.azure.edges import NatGateways, PublicIps
from providers.azure.firewall import FirewallGroups
from providers.azure.groups import InstanceGroups
from providers.azure.instances import Instances
from providers.azure.network import Networks, Subnets
from providers.azure.pools import NodePools
from providers.azure.readers import Reader
from providers.azure.registries import Registries
from providers.azure.rights import AuditTrails, Identities
from providers.azure.services import ManagedServices
from providers.azure.session import Session
from providers.azure.stores import Buckets, Caches, Queues
from providers.azure.vaults import Certificates, Keys
from providers.base import OPTIONAL_FIELDS, Account, Call, Capability, ClusterAccess, Identity, Rights
from providers.placed import placed

READERS: tuple[type[Reader], ...] = (
    Buckets, Keys, Certificates, NatGateways, PublicIps, Databases, Caches, Queues, AuditTrails, Identities,
    ManagedServices,
)  # fmt: skip
_SUBSCRIPTION_API = "2022-12-01"
_CLAIMS = ("upn", "unique_name", "preferred_username", "appid", "oid")


class AzureProvider:
    """One subscription. Raises Unauthenticated where the account has no usable credential."""

    def __init__(self, account: Account) -> None:
        self._session = session = Session(account)
        networks = Networks(session)
        firewalls = FirewallGroups(session, networks)
        subnets = Subnets(session, networks)
        self._clusters = Clusters(session, networks, subnets, firewalls)
        instances = Instances(session, subnets, firewalls)
        balancers = LoadBalancers(session, subnets, instances)
        adapters: tuple[Adapter, ...] = (
            networks,
            subnets,
            firewalls,
            self._clusters,
            NodePools(session, self._clusters),
            instances,
            Disks(session, instances),
            balancers,
            InstanceGroups(session, subnets, firewalls, balancers),
            DnsRecords(session),
            Registries(session),
            *(reader(session) for reader in READERS),
        )
        self._adapters = {adapter.kind: adapter for adapter in adapters}

    @property
    def account(self) -> Account:
        return self._session.account

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(
            Capability(kind, adapter.verbs, OPTIONAL_FIELDS.get(kind, frozenset()) - adapter.cannot_set)
            for kind, adapter in self._adapters.items()
        )

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()

    def _adapter(self, kind: Kind) -> Adapter:
        adapter = self._adapters.get(kind)
        if adapter is None:
            raise InvalidRequest(f"Azure's adapter has no {kind}", mend="see `capabilities`")
        return adapter

    def prices(self, region: str, types: Collection[str], call: Call) -> Iterator[ListPrice]:
        return prices.of(self._session, region, types, call)

    def spot_prices(self, region: str, types: Collection[str], call: Call) -> Iterator[SpotPrice]:
        return prices.spot_prices(self._session, region, types, call)

    def zones_selling(self, region: str, types: Collection[str], call: Call) -> Mapping[str, tuple[str, ...]]:
        return offers.zones_selling(self._session, region, types, call)

    def quotas(self, region: str, call: Call) -> tuple[Quota, ...]:
        return offers.quotas(self._session, region, call)

    def identity(self, call: Call) -> Identity:
        """Subscription and principal. The principal comes from the token's claims, as Azure signed them."""
        path = f"/subscriptions/{self.account.account_id}"
        found = self._session.get_json("resources.subscription.get", path, call, **{"api-version": _SUBSCRIPTION_API})
        return Identity(principal=self._principal(), account_id=str(found.get("subscriptionId") or ""))

    def _principal(self) -> str:
        if self._session.loopback:
            return self.account.secrets.get("key_id", "")
        return principal_of(self._session.credential.get_token(self._session.scope).token)

    @property
    def actions(self) -> tuple[str, ...]:
        return permissions.ACTIONS

    def policy(self, actions: Iterable[str]) -> Mapping[str, Any]:
        return permissions.policy(actions, self.account.account_id)

    def rights(self, call: Call) -> Rights:
        return checking.rights(self._session, call)

    @placed
    def list(self, kind: Kind, region: str, call: Call, *, fleet: str | None = None) -> Iterator[Observed]:
        return self._adapter(kind).list(region, call, fleet)

    @placed
    def get(self, address: Address, call: Call) -> Observed:
        return self._adapter(address.kind).get(address, call)

    @placed
    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        return self._adapter(address.kind).create(address, desired, call)

    @placed
    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        return self._adapter(observed.address.kind).update(observed, desired, call)

    @placed
    def delete(self, observed: Observed, call: Call) -> None:
        self._adapter(observed.address.kind).delete(observed, call)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        return self._adapter(desired.KIND).replaced(before, desired)

    @placed
    def wait_ready(self, address: Address, call: Call) -> Observed:
        return self._adapter(address.kind).wait_ready(address, call)

    @placed
    def wait_gone(self, address: Address, call: Call) -> None:
        self._adapter(address.kind).wait_gone(address, call)

    @placed
    def changes(self, address: Address, since_s: float, call: Call) -> tuple[Change, ...]:
        adapter = self._adapter(address.kind)
        try:
            resource_id = str(adapter.find(address, call).id)
        except NotFound:
            return ()
        return changes(self._session, address, resource_id, since_s, call)

    @placed
    def cluster_access(self, observed: Observed, call: Call) -> ClusterAccess:
        return self._clusters.access(observed, call)


def principal_of(token: str) -> str:
    """Who an access token (a JWT) was made out to; "" where it cannot be read. The signature is Azure's to check."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return ""
    return next((str(claims[name]) for name in _CLAIMS if claims.get(name)), "")
