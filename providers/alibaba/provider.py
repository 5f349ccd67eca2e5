"""The account's adapter: the CloudProvider protocol over the kinds' adapters.

Callers: orchestrator, through providers.alibaba.open. Here are waiting, identity, the audit log and the dispatch by
kind; what the kinds mean to the cloud is in the modules beside this one.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from model.errors import NotBuiltYet, NotFound, RolloutFailed, Unreachable
from model.facts.live import ListPrice, Quota, SpotPrice
from model.resources import Address, AnyResource, Change, Cluster, Instance, Kind, Observed, State
from providers.alibaba import checking, offers, permissions, prices
from providers.alibaba.access import open_access
from providers.alibaba.cluster import Clusters, needs_new_cluster
from providers.alibaba.common import Adapter, References
from providers.alibaba.firewall import FirewallGroups
from providers.alibaba.further import FURTHER_KINDS
from providers.alibaba.instances import Instances
from providers.alibaba.network import Networks, Subnets
from providers.alibaba.pools import NodePools
from providers.alibaba.reader import READS, Reader
from providers.alibaba.registries import Registries
from providers.alibaba.session import Session, home_region
from providers.base import Account, Call, Capability, ClusterAccess, Identity, ImageFacts, Rights
from providers.placed import placed
from providers.remembered import made_differently

_VERBS = frozenset({"list", "get", "create", "update", "delete", "changes"})
_FIELDS: Mapping[Kind, frozenset[str]] = {
    Kind.INSTANCE_GROUP: frozenset({"load_balancers"}),
    Kind.DISK: frozenset({"attached_to", "key"}),
    Kind.LOAD_BALANCER: frozenset({"deletion_protection", "layer"}),
    Kind.DNS_RECORD: frozenset({"weights"}),
    Kind.REGISTRY: frozenset({"immutable_tags", "public"}),
}
"""Fields of providers.base.OPTIONAL_FIELDS that can be set here."""
EVENT_PAGES = 10
POLL_S = 0.05  # at first; it grows to 5 s
EVENT_PAGE_SIZE = 50


class AlibabaProvider:
    """providers.base.CloudProvider. Thread-safe."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._session = Session(account)
        references = References()
        first: tuple[type[Adapter], ...] = (Networks, Subnets, FirewallGroups, Clusters, NodePools, Instances)
        kinds = (*first, *FURTHER_KINDS)
        self._adapters: dict[Kind, Adapter] = {kind.KIND: kind(self._session, references) for kind in kinds}

    def __repr__(self) -> str:
        return f"AlibabaProvider({self._account.name}, {self._account.partition})"

    @property
    def account(self) -> Account:
        return self._account

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(
            Capability(kind, _verbs(kind, adapter), _FIELDS.get(kind, frozenset()))
            for kind, adapter in self._adapters.items()
        )

    def _of(self, kind: Kind) -> Adapter:
        adapter = self._adapters.get(kind)
        if adapter is None:
            raise NotBuiltYet(f"Alibaba Cloud's adapter does not know {kind}")
        return adapter

    # -- reading -----------------------------------------------------------------------------------------------

    def prices(self, region: str, types: Collection[str], call: Call) -> Iterator[ListPrice]:
        return prices.of(self._session, region, types, call)

    def spot_prices(self, region: str, types: Collection[str], call: Call) -> Iterator[SpotPrice]:
        return offers.spot_prices(self._session, region, types, call)

    def zones_selling(self, region: str, types: Collection[str], call: Call) -> Mapping[str, tuple[str, ...]]:
        return offers.zones_selling(self._session, region, types, call)

    def quotas(self, region: str, call: Call) -> tuple[Quota, ...]:
        return offers.quotas(self._session, region, call)

    def identity(self, call: Call) -> Identity:
        answer = self._session.rpc("Sts", "GetCallerIdentity", home_region(self._account), call)
        return Identity(str(answer["Arn"]), str(answer["AccountId"]))

    @property
    def actions(self) -> tuple[str, ...]:
        return permissions.ACTIONS

    def policy(self, actions: Iterable[str]) -> Mapping[str, Any]:
        return permissions.policy(actions)

    def rights(self, call: Call) -> Rights:
        return checking.rights(self._session, home_region(self._account), call)

    @placed
    def list(self, kind: Kind, region: str, call: Call, *, fleet: str | None = None) -> Iterator[Observed]:
        return self._of(kind).list(region, call, fleet)

    @placed
    def get(self, address: Address, call: Call) -> Observed:
        return self._of(address.kind).find(address, call)

    @placed
    def changes(self, address: Address, since_s: float, call: Call) -> tuple[Change, ...]:
        try:
            seen = self.get(address, call)
        except NotFound:
            return ()
        if since_s >= time.time():
            return ()  # ActionTrail refuses a range without length
        found = {
            str(event.get("eventId", "")): Change(
                address=address, at_s=at_s, actor=_actor(event), operation=str(event.get("eventName", ""))
            )
            for name in self._of(address.kind).trail_names(seen)
            for event in self._events(address.region, name, since_s, call)
            if (at_s := _event_time_s(event)) >= int(since_s)
        }
        return tuple(sorted(found.values(), key=lambda c: -c.at_s))

    def _events(self, region: str, name: str, since_s: float, call: Call) -> Iterator[dict[str, Any]]:
        """Writes that ActionTrail has for a resource, newest first."""
        following = ""
        for _ in range(EVENT_PAGES):
            asked = {
                "StartTime": _utc(since_s),
                "EndTime": _utc(time.time() + 1),
                "LookupAttribute": [{"Key": "ResourceName", "Value": name}],
                "Direction": "BACKWARD",
                "MaxResults": EVENT_PAGE_SIZE,
                "NextToken": following,
            }
            answer = self._session.rpc("Actiontrail", "LookupEvents", region, call, asked)
            yield from (e for e in answer.get("Events") or () if e.get("eventRW", "Write") == "Write")
            following = answer.get("NextToken") or ""
            if not following:
                return

    @placed
    def cluster_access(self, observed: Observed, call: Call) -> ClusterAccess:
        return open_access(self._session, observed, call)

    @placed
    def image(self, observed: Observed, reference: str, call: Call) -> ImageFacts:
        """providers.base.ImageSource: what a tag of a registry means."""
        registries = self._of(Kind.REGISTRY)
        assert isinstance(registries, Registries)
        return registries.image(observed, reference, call)

    # -- writing -----------------------------------------------------------------------------------------------

    @placed
    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        return self._of(address.kind).create(address, desired, call)

    @placed
    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        adapter, region = self._of(observed.address.kind), observed.address.region
        adapter.update(observed, desired, call)
        row = adapter.by_id(region, observed.provider_id, call)
        if row is None:
            raise NotFound(f"{observed.address} is gone")
        return adapter.observe(region, row, call)

    @placed
    def delete(self, observed: Observed, call: Call) -> None:
        self._of(observed.address.kind).delete(observed, call)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        adapter = self._of(desired.KIND)
        changed = tuple(f for f in adapter.fixed_fields() if getattr(before, f) != getattr(desired, f))
        changed += adapter.made_anew_for(before, desired)
        if isinstance(before, Cluster) and isinstance(desired, Cluster):
            changed += needs_new_cluster(before, desired)
        if isinstance(before, Instance) and isinstance(desired, Instance):
            changed += made_differently(before, desired)
        return changed

    # -- waiting -----------------------------------------------------------------------------------------------

    @placed
    def wait_ready(self, address: Address, call: Call) -> Observed:
        adapter, last = self._of(address.kind), self.get(address, call)

        def look() -> Observed | None:
            nonlocal last
            row = adapter.by_id(address.region, last.provider_id, call)
            if row is None:
                raise NotFound(f"{address} went away while it was waited for", address=str(address))
            last = adapter.observe(address.region, row, call)
            if last.state is State.FAILED:
                raise RolloutFailed(
                    f"{address} cannot become ready",
                    detail=last.detail or f"{last.provider_id} has failed",
                    mend="look at it in the console, remove it, and deploy again",
                    address=str(address),
                )
            if last.state is State.READY:
                return last
            call.progress(f"{address}: {last.state}{f', {last.detail}' if last.detail else ''}")
            return None

        try:
            return self._session.calls.poll(f"{address} to become ready", look, call, every_s=POLL_S)
        except Unreachable as exc:
            exc.detail = f"last seen: {last.state}{f', {last.detail}' if last.detail else ''}; {exc.detail}"
            raise

    @placed
    def wait_gone(self, address: Address, call: Call) -> None:
        try:
            first = self.get(address, call)
        except NotFound:
            return
        adapter = self._of(address.kind)

        def look() -> bool | None:
            return True if adapter.by_id(address.region, first.provider_id, call) is None else None

        self._session.calls.poll(f"{address} to be gone", look, call, every_s=POLL_S)


def _verbs(kind: Kind, adapter: Adapter) -> frozenset[str]:
    if isinstance(adapter, Reader):
        return READS
    return _VERBS | {"image"} if kind is Kind.REGISTRY else _VERBS


def _utc(at_s: float) -> str:
    return datetime.fromtimestamp(int(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _event_time_s(event: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(event.get("eventTime", "")).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _actor(event: dict[str, Any]) -> str:
    """Who it was: user or role, with the access key, by which two programs of one user are told apart."""
    who = event.get("userIdentity") or {}
    name = who.get("userName") or who.get("principalId") or "unknown"
    key = who.get("accessKeyId")
    return f"{name} ({key})" if key else str(name)
