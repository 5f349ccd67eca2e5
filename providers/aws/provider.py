"""The AWS adapter: providers.base.CloudProvider over boto3.

Callers: orchestrator, through providers.aws.open. What each kind does is in its own file; here a call finds its kind,
waits, and asks CloudTrail.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from model.errors import Forbidden, NotBuiltYet, RolloutFailed
from model.facts.live import ListPrice, Quota, SpotPrice
from model.resources import Address, AnyResource, Change, Kind, Observed, State
from providers.aws import checking, offers, permissions, prices
from providers.aws.balancers import LoadBalancers
from providers.aws.buckets import Buckets
from providers.aws.cluster import Clusters
from providers.aws.databases import Caches, Databases
from providers.aws.disks import Disks
from providers.aws.dns import DnsRecords
from providers.aws.firewall import FirewallGroups
from providers.aws.instances import Instances
from providers.aws.keys import Keys
from providers.aws.kinds import Handler, not_found
from providers.aws.network import Networks, Subnets
from providers.aws.nodepool import NodePools
from providers.aws.outside import Certificates, NatGateways, PublicIps
from providers.aws.queues import Queues
from providers.aws.registries import Registries
from providers.aws.rights import AuditTrails, Identities
from providers.aws.scaling import InstanceGroups
from providers.aws.services import ManagedServices
from providers.aws.session import DEFAULT_REGION, Session
from providers.base import OPTIONAL_FIELDS, Account, Call, Capability, ClusterAccess, Identity, ImageFacts, Rights
from providers.placed import placed

T = TypeVar("T")
_VERBS = frozenset({"list", "get", "create", "update", "delete", "changes"})
_READS = frozenset({"list", "get"})
_ONLY_READ = frozenset(
    {
        Kind.BUCKET, Kind.KEY, Kind.CERTIFICATE, Kind.NAT_GATEWAY, Kind.PUBLIC_IP, Kind.DATABASE, Kind.CACHE,
        Kind.QUEUE, Kind.AUDIT_TRAIL, Kind.IDENTITY, Kind.MANAGED_SERVICE,
    }
)  # fmt: skip
_MORE_VERBS = {Kind.REGISTRY: frozenset({"image"})}
_LACKING = frozenset({"access_logs", "encrypted", "public"})
"""Optional fields that this adapter cannot set: logs want a bucket that the model does not name, ECR always encrypts,
and a private registry is never opened to everybody."""
_APPEARS_WITHIN_S = 5.0  # how long a fresh resource may be missing from reads (EC2 User Guide, eventual consistency)


class AwsProvider:
    """One AWS account. Thread-safe; nothing is sent before the first call."""

    def __init__(self, account: Account) -> None:
        self._session = Session(account)
        networks = Networks(self._session)
        subnets = Subnets(self._session, networks)
        groups = FirewallGroups(self._session, networks)
        instances = Instances(self._session, subnets, groups)
        self._clusters = Clusters(self._session, networks, subnets, groups)
        balancers = LoadBalancers(self._session, networks, subnets, instances)
        self._registries = Registries(self._session)
        self._kinds: Mapping[Kind, Handler] = {
            Kind.NETWORK: networks,
            Kind.SUBNET: subnets,
            Kind.FIREWALL_GROUP: groups,
            Kind.CLUSTER: self._clusters,
            Kind.NODE_POOL: NodePools(self._session, self._clusters, subnets),
            Kind.INSTANCE: instances,
            Kind.DISK: Disks(self._session, instances),
            Kind.INSTANCE_GROUP: InstanceGroups(self._session, subnets, groups, instances, balancers),
            Kind.LOAD_BALANCER: balancers,
            Kind.DNS_RECORD: DnsRecords(self._session),
            Kind.REGISTRY: self._registries,
            Kind.BUCKET: Buckets(self._session),
            Kind.KEY: Keys(self._session),
            Kind.CERTIFICATE: Certificates(self._session),
            Kind.NAT_GATEWAY: NatGateways(self._session, networks, subnets),
            Kind.PUBLIC_IP: PublicIps(self._session),
            Kind.DATABASE: Databases(self._session),
            Kind.CACHE: Caches(self._session),
            Kind.QUEUE: Queues(self._session),
            Kind.AUDIT_TRAIL: AuditTrails(self._session),
            Kind.IDENTITY: Identities(self._session),
            Kind.MANAGED_SERVICE: ManagedServices(self._session),
        }

    @property
    def account(self) -> Account:
        return self._session.account

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(
            Capability(kind, _READS, frozenset())
            if kind in _ONLY_READ
            else Capability(
                kind, _VERBS | _MORE_VERBS.get(kind, frozenset()), OPTIONAL_FIELDS.get(kind, frozenset()) - _LACKING
            )
            for kind in self._kinds
        )

    def identity(self, call: Call) -> Identity:
        """As STS says; it need not be the account that the fleet names."""
        caller = self._session.caller(call)
        return Identity(principal=caller["Arn"], account_id=caller["Account"])

    @property
    def actions(self) -> tuple[str, ...]:
        return permissions.ACTIONS

    def policy(self, actions: Iterable[str]) -> Mapping[str, Any]:
        return permissions.policy(actions)

    def rights(self, call: Call) -> Rights:
        return checking.rights(self._session, DEFAULT_REGION[self.account.partition], call)

    def prices(self, region: str, types: Collection[str], call: Call) -> Iterator[ListPrice]:
        return prices.of(self._session, region, types, call)

    def spot_prices(self, region: str, types: Collection[str], call: Call) -> Iterator[SpotPrice]:
        return offers.spot_prices(self._session, region, types, call)

    def zones_selling(self, region: str, types: Collection[str], call: Call) -> Mapping[str, tuple[str, ...]]:
        return offers.zones_selling(self._session, region, types, call)

    def quotas(self, region: str, call: Call) -> tuple[Quota, ...]:
        return offers.quotas(self._session, region, call)

    # -- reading ----------------------------------------------------------------------------------------------

    @placed
    def list(self, kind: Kind, region: str, call: Call, *, fleet: str | None = None) -> Iterator[Observed]:
        yield from self._kind(kind).all(region, call, fleet)

    @placed
    def get(self, address: Address, call: Call) -> Observed:
        found = self._kind(address.kind).find(address, call)
        if found is None or _anothers(found, address, call):
            raise not_found(self._session, address)
        return found

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        return self._kind(desired.KIND).needs_replace(before, desired)

    # -- writing ----------------------------------------------------------------------------------------------

    @placed
    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        return self._kind(address.kind).create(address, desired, call)

    @placed
    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        return self._kind(observed.address.kind).update(observed, desired, call)

    @placed
    def delete(self, observed: Observed, call: Call) -> None:
        self._kind(observed.address.kind).delete(observed, call)

    # -- waiting ----------------------------------------------------------------------------------------------

    @placed
    def wait_ready(self, address: Address, call: Call) -> Observed:
        handler = self._kind(address.kind)
        began = time.monotonic()

        def ready() -> Observed | None:
            found = handler.peek(address, call)
            if found is None or _anothers(found, address, call):
                if time.monotonic() - began > _APPEARS_WITHIN_S:
                    raise not_found(self._session, address)
                return None
            if found.state in (State.FAILED, State.DELETING):
                raise RolloutFailed(
                    f"{address} is {found.state}: {found.detail or 'AWS gives no reason'}",
                    detail=f"{found.provider_id} {found.detail}".strip(),
                    address=str(address),
                )
            call.progress(f"{address}: {found.state} {found.detail}".rstrip())
            whole = handler.find(address, call) if found.state is State.READY else None
            return whole if whole is not None and whole.state is State.READY else None

        return self._poll(address, ready, call)

    @placed
    def wait_gone(self, address: Address, call: Call) -> None:
        handler = self._kind(address.kind)

        def gone() -> bool | None:
            found = handler.peek(address, call)
            if found is not None and _anothers(found, address, call):
                return True
            if found is not None and found.state is State.FAILED:
                raise RolloutFailed(f"{address} cannot be deleted: {found.detail}", address=str(address))
            return True if found is None else None

        self._poll(address, gone, call)

    def _poll(self, address: Address, ready: Callable[[], T | None], call: Call) -> T:
        every_s = 0.05 if self._session.loopback else 1.0
        return self._session.calls("wait", address.region).poll(f"wait for {address}", ready, call, every_s=every_s)

    # -- who changed it ---------------------------------------------------------------------------------------

    @placed
    def changes(self, address: Address, since_s: float, call: Call) -> tuple[Change, ...]:
        """From CloudTrail's event history (90 days; events arrive within about 15 minutes)."""
        handler = self._kind(address.kind)
        found = handler.find(address, call)
        if found is None or _anothers(found, address, call):
            return ()  # its id is not known any more, and another fleet's may go by the name
        name = _trail_name(found)
        try:
            events = self._session.pages(
                "cloudtrail",
                str(found.raw.get("trail_region") or address.region),
                "lookup_events",
                "Events",
                call,
                LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": name}],
                StartTime=datetime.fromtimestamp(since_s, UTC),
            )
        except Forbidden as exc:
            call.progress(f"{address}: CloudTrail may not be read, so nobody can say who changed it ({exc})")
            return ()
        part = str(found.raw.get("trail_match", ""))  # of what has a name only within something bigger
        rows = (
            _change(address, event, handler.events) for event in events if part in str(event.get("CloudTrailEvent", ""))
        )
        return tuple(sorted((row for row in rows if row is not None), key=lambda c: -c.at_s))

    @placed
    def cluster_access(self, observed: Observed, call: Call) -> ClusterAccess:
        return self._clusters.access(observed, call)

    @placed
    def image(self, observed: Observed, reference: str, call: Call) -> ImageFacts:
        """What an image's tag or digest means in one of our registries' repositories."""
        return self._registries.image(observed, reference, call)

    def _kind(self, kind: Kind) -> Handler:
        handler = self._kinds.get(kind)
        if handler is None:
            raise NotBuiltYet(f"the AWS adapter has no {kind}")
        return handler


def _anothers(found: Observed, address: Address, call: Call) -> bool:
    """Whether it is another fleet's of the same name; an id is unmistakable."""
    return bool(call.fleet) and found.owner not in ("", call.fleet) and found.provider_id != address.name


def _trail_name(observed: Observed) -> str:
    """How CloudTrail names it: EC2's id; for EKS the plain name."""
    return str(
        observed.raw.get("trail")
        or observed.raw.get("nodegroup")
        or observed.raw.get("eks_name")
        or observed.provider_id
    )


def _change(address: Address, event: Mapping[str, Any], wanted: str) -> Change | None:
    """One event as a Change; None for reads, refused calls, and events that change something else."""
    operation = str(event.get("EventName", ""))
    if str(event.get("ReadOnly", "false")).lower() == "true" or not re.search(wanted, operation):
        return None
    record = json.loads(event.get("CloudTrailEvent") or "{}")
    if record.get("errorCode"):
        return None
    identity = record.get("userIdentity") or {}
    actor = identity.get("arn") or identity.get("invokedBy") or event.get("Username") or "unknown"
    return Change(address=address, at_s=event["EventTime"].timestamp(), actor=str(actor), operation=operation)
