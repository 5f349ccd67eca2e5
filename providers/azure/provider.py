"""Azure as a CloudProvider: picks the adapter of a kind; who we are, who changed what, how to reach a cluster.

Callers: orchestrator, through providers.azure.open(account).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from model.errors import InvalidRequest, NotFound
from model.resources import Address, AnyResource, Change, Cluster, Instance, Kind, Observed
from providers.azure.adapter import Adapter
from providers.azure.changes import changes
from providers.azure.cluster import Clusters
from providers.azure.firewall import FirewallGroups
from providers.azure.instances import Instances
from providers.azure.network import Networks, Subnets
from providers.azure.pools import NodePools
from providers.azure.session import Session
from providers.base import OPTIONAL_FIELDS, Account, Call, Capability, ClusterAccess, Identity
from providers.placed import placed
from providers.remembered import made_differently

_VERBS = frozenset({"list", "get", "create", "update", "delete", "changes"})
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
        adapters: tuple[Adapter, ...] = (
            networks,
            subnets,
            firewalls,
            self._clusters,
            NodePools(session, self._clusters),
            Instances(session, subnets, firewalls),
        )
        self._adapters = {adapter.kind: adapter for adapter in adapters}

    @property
    def account(self) -> Account:
        return self._session.account

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(Capability(kind, _VERBS, OPTIONAL_FIELDS.get(kind, frozenset())) for kind in self._adapters)

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()

    def _adapter(self, kind: Kind) -> Adapter:
        adapter = self._adapters.get(kind)
        if adapter is None:
            raise InvalidRequest(f"Azure's adapter has no {kind}", mend="see `capabilities`")
        return adapter

    def identity(self, call: Call) -> Identity:
        """Subscription and principal. The principal comes from the token's claims, as Azure signed them."""
        path = f"/subscriptions/{self.account.account_id}"
        found = self._session.get_json("resources.subscription.get", path, call, **{"api-version": _SUBSCRIPTION_API})
        return Identity(principal=self._principal(), account_id=str(found.get("subscriptionId") or ""))

    def _principal(self) -> str:
        if self._session.loopback:
            return self.account.secrets.get("key_id", "")
        return principal_of(self._session.credential.get_token(self._session.scope).token)

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
        fixed = self._adapter(desired.KIND).fixed
        names = [f.name for f in fields(desired) if f.name in fixed]
        changed = tuple(n for n in names if _changed(n, getattr(before, n), getattr(desired, n)))
        if isinstance(before, Instance) and isinstance(desired, Instance):
            changed += made_differently(before, desired)
        if isinstance(before, Cluster) and isinstance(desired, Cluster) and _is_older(desired.version, before.version):
            changed += ("version",)  # AKS upgrades only
        return changed

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


def _changed(name: str, before: Any, after: Any) -> bool:
    """What Azure does not tell of other people's machines is no change by itself."""
    return bool(before != after) and not (name == "zone" and not before)


def _is_older(version: str, than: str) -> bool:
    """Of two `major.minor`; an unknown one is neither older nor newer."""
    left, right = ([int(n) for n in text.split(".") if n.isdigit()] for text in (version, than))
    return bool(left and right and left < right)


def principal_of(token: str) -> str:
    """Who an access token (a JWT) was made out to; "" where it cannot be read. The signature is Azure's to check."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return ""
    return next((str(claims[name]) for name in _CLAIMS if claims.get(name)), "")
