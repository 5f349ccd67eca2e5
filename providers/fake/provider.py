"""The fake cloud as a CloudProvider. Requests go through providers.calls, as every adapter's do.

Callers: FakeCloud.open. Retries wait a hundredth of what real ones do; waiting for a resource moves the cloud's virtual
time instead, and asks for cancellation at each look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, TypeVar

from model.errors import (
    CallSite,
    CloudError,
    Conflict,
    DependencyInUse,
    InvalidRequest,
    NotFound,
    UnknownCloudError,
    Unreachable,
)
from model.resources import (
    Address,
    AnyResource,
    Change,
    Disk,
    DnsRecord,
    Instance,
    InstanceGroup,
    Kind,
    LoadBalancer,
    Observed,
    Registry,
    State,
)
from providers.base import OPTIONAL_FIELDS, Account, Call, Capability, ClusterAccess, Identity
from providers.calls import Calls
from providers.fake.cloud import ENDPOINT, USES, FakeCloud, Row, names_in
from providers.placed import placed
from providers.remembered import made_differently

T = TypeVar("T")
_MADE = (
    Kind.NETWORK, Kind.SUBNET, Kind.FIREWALL_GROUP, Kind.CLUSTER, Kind.NODE_POOL, Kind.INSTANCE, Kind.INSTANCE_GROUP,
    Kind.DISK, Kind.LOAD_BALANCER, Kind.DNS_RECORD, Kind.REGISTRY,
)  # fmt: skip
_LIFE, _READS = frozenset({"list", "get", "create", "update", "delete", "changes"}), frozenset({"list", "get"})
_FIXED: Mapping[Kind, tuple[str, ...]] = {
    Kind.NETWORK: ("cidr",),
    Kind.SUBNET: ("network", "cidr", "zone"),
    Kind.FIREWALL_GROUP: ("network",),
    Kind.CLUSTER: ("network", "subnets"),
    Kind.NODE_POOL: ("cluster", "zone", "subnet", "instance_type", "capacity"),
    Kind.INSTANCE: ("zone", "subnet", "instance_type", "disk_gib", "disk_encrypted", "public_ip"),
    Kind.DISK: ("zone", "encrypted"),
    Kind.LOAD_BALANCER: ("network", "layer", "public"),
}
_GROWS: Mapping[Kind, str] = {Kind.CLUSTER: "version", Kind.DISK: "size_gib"}
"""Fields that change in place upwards only."""
_LOOK_EVERY_S = 2.0  # virtual
MAX_VIRTUAL_S = 7200.0
"""Virtual seconds that one wait may take: a cluster takes ten minutes there and none here."""


def _unknown(exc: BaseException, operation: str) -> CloudError:
    return UnknownCloudError(f"{operation}: {exc}")


class FakeProvider:
    """providers.base.CloudProvider. Thread-safe."""

    def __init__(self, cloud: FakeCloud, account: Account) -> None:
        self._cloud, self._account = cloud, account
        self._calls = Calls(_unknown, rate_per_s=1e6, burst=1e6, base_s=0.002, cap_s=0.2, seed=cloud.seed)

    def __repr__(self) -> str:
        return f"FakeProvider({self._account.name})"

    @property
    def account(self) -> Account:
        return self._account

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(
            Capability(kind, _LIFE, OPTIONAL_FIELDS.get(kind, frozenset()))
            if kind in _MADE
            else Capability(kind, _READS)
            for kind in Kind
            if kind is not Kind.KUBERNETES_OBJECT
        )

    def identity(self, call: Call) -> Identity:
        return self._send("identity", call, lambda: Identity(self._actor, self._account.account_id))

    # -- reading -----------------------------------------------------------------------------------------------

    @placed
    def list(self, kind: Kind, region: str, call: Call, *, fleet: str | None = None) -> Iterator[Observed]:
        for row in self._rows(kind, region, call, "list"):
            if fleet in (None, row.owner):
                yield self._seen(row)

    @placed
    def get(self, address: Address, call: Call) -> Observed:
        return self._seen(self._find(address, call))

    @placed
    def changes(self, address: Address, since_s: float, call: Call) -> tuple[Change, ...]:
        try:
            row = self._find(address, call)
        except NotFound:
            return ()
        found = [e for e in self._cloud.events if e.resource_id == row.id and e.at_s >= since_s]
        made = [Change(address=address, at_s=e.at_s, actor=e.actor, operation=e.operation) for e in found]
        return tuple(sorted(made, key=lambda c: -c.at_s))

    @placed
    def cluster_access(self, observed: Observed, call: Call) -> ClusterAccess:
        """A server that nobody runs, and a token that is always fresh."""
        row = self._find(observed.address, call)

        def token() -> str:
            text = f"{self._cloud.seed} {row.id} {self._cloud.request_id()}"
            return hashlib.sha256(text.encode()).hexdigest()

        return ClusterAccess(server=f"https://{row.id}.fake.invalid", token=token)

    # -- writing -----------------------------------------------------------------------------------------------

    @placed
    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        self._refer(address, desired, call)

        def make() -> Row:
            with self._cloud.lock:
                mine = [r for r in self._there(address) if r.owner == call.fleet and not r.gone_s]
                return mine[0] if mine else self._cloud.make(address, desired, call.fleet, self._actor)

        return self._seen(self._send(f"create {address.kind}", call, make, write=True))

    @placed
    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        row = self._by_id(observed, call)
        wanted = replace(desired, tags={**row.resource.tags, **desired.tags})
        if wanted != row.resource:
            self._refer(observed.address, desired, call)
            change = lambda: self._cloud.change(row.id, wanted, self._actor)  # noqa: E731
            self._send(f"update {observed.address.kind}", call, change, write=True)
        return self._seen(self._by_id(observed, call))

    @placed
    def delete(self, observed: Observed, call: Call) -> None:
        def remove() -> None:
            with self._cloud.lock:
                row = next((r for r in self._cloud.rows() if r.id == observed.provider_id), None)
                if row is None or row.gone_s:
                    return
                if isinstance(row.resource, Disk) and row.resource.attached_to:
                    used = f"{row.address} is attached to {row.resource.attached_to}"
                    raise DependencyInUse(used, address=str(row.address))
                if users := self._cloud.users(row):
                    names = ", ".join(str(u.address) for u in users)
                    raise DependencyInUse(f"{row.address} is used by {names}", address=str(row.address))
                self._cloud.remove(row.id, self._actor)

        self._send(f"delete {observed.address.kind}", call, remove, write=True)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        kind = desired.KIND
        known = {f.name for f in fields(desired)}
        changed = [n for n in _FIXED.get(kind, ()) if n in known and getattr(before, n) != getattr(desired, n)]
        grows = _GROWS.get(kind)
        if grows and _order(getattr(desired, grows)) < _order(getattr(before, grows)):
            changed.append(grows)
        if isinstance(before, Instance | InstanceGroup) and isinstance(desired, Instance | InstanceGroup):
            changed += made_differently(before, desired)
        return tuple(changed)

    # -- waiting -----------------------------------------------------------------------------------------------

    @placed
    def wait_ready(self, address: Address, call: Call) -> Observed:
        def look() -> Observed | None:
            seen = self._seen(self._find(address, call))
            return seen if seen.state is State.READY else None

        return self._wait(f"wait for {address}", look)

    @placed
    def wait_gone(self, address: Address, call: Call) -> None:
        def look() -> bool | None:
            try:
                self._find(address, call)
            except NotFound:
                return True
            return None

        self._wait(f"wait for the end of {address}", look)

    def _wait(self, operation: str, look: Callable[[], T | None]) -> T:
        """Virtual time passes between looks. Each look asks for cancellation, and keeps the call's own deadline."""
        left_s = MAX_VIRTUAL_S
        while True:
            found = look()
            if found is not None:
                return found
            if left_s <= 0:
                raise Unreachable(f"{operation}: no time left before the deadline", mend="raise --timeout")
            left_s -= _LOOK_EVERY_S
            self._cloud.pass_s(_LOOK_EVERY_S)

    # -- requests ----------------------------------------------------------------------------------------------

    @property
    def _actor(self) -> str:
        return self._account.secrets.get("key_id", "")

    def _send(self, operation: str, call: Call, work: Callable[[], T], *, write: bool = False) -> T:
        late = False  # as a real request would have been: virtual time does not end the call by itself

        def once() -> T:
            nonlocal late
            if late:
                raise Unreachable(f"{operation}: no answer before the deadline")
            if self._account.endpoint not in ("", ENDPOINT):
                raise Unreachable(f"{operation}: nobody answers at {self._account.endpoint}")
            self._cloud.admit(self._account, operation, write=write)
            fault = self._cloud.faults.check(operation)
            if fault is None:
                return work()
            if fault.delay_s > call.remaining_s():
                late = True
                raise Unreachable(f"{operation}: no answer before the deadline")
            self._cloud.pass_s(fault.delay_s)
            if fault.code or fault.status:
                raise self._cloud.refuse(fault, operation)
            result = work()
            if fault.drop_answer:
                raise Unreachable(f"{operation}: the answer was lost")
            return result

        return self._calls.run(operation, once, call, write=write)

    def _there(self, address: Address) -> Sequence[Row]:
        return [r for r in self._cloud.rows() if r.address == address]

    def _rows(self, kind: Kind, region: str, call: Call, verb: str) -> Sequence[Row]:
        plane = (self._account.partition, self._account.account_id, region, kind)

        def page(after: int) -> Sequence[Row]:
            """Rows are numbered as they are made: whatever comes or goes meanwhile, none is left out or told twice."""
            found = [(r, r.address) for r in self._cloud.rows() if r.number > after]
            return [r for r, at in found if (at.partition, at.account, at.region, at.kind) == plane][:size]

        size, rows = self._cloud.page_size, list[Row]()
        while True:
            got = self._send(f"{verb} {kind}", call, partial(page, rows[-1].number if rows else 0))
            rows += got
            if len(got) < size:
                return rows

    def _find(self, address: Address, call: Call) -> Row:
        """Ours, else what is nobody's; the living before what goes. NotFound, or Conflict where several would do."""
        rows = self._rows(address.kind, address.region, call, "get")
        rows = [r for r in rows if address.name in (r.address.name, r.id)]
        rows = [r for r in rows if not call.fleet or r.owner in ("", call.fleet)]
        chosen = [r for r in rows if r.owner == call.fleet] or rows
        chosen = [r for r in chosen if not r.gone_s] or chosen[:1]
        if not chosen:
            raise NotFound(f"{address} does not exist", address=str(address))
        if len(chosen) > 1:
            ids = ", ".join(r.id for r in chosen)
            raise Conflict(f"{address} is ambiguous: {ids}", mend="name it by its id", address=str(address))
        return chosen[0]

    def _by_id(self, observed: Observed, call: Call) -> Row:
        at = observed.address
        for row in self._rows(at.kind, at.region, call, "get"):
            if row.id == observed.provider_id:
                return row
        raise NotFound(f"{at} is gone", address=str(at))

    def _refer(self, address: Address, desired: AnyResource, call: Call) -> None:
        """Raises InvalidRequest for what is named and not there."""
        if isinstance(desired, DnsRecord) and desired.zone not in self._cloud.dns_zones:
            raise InvalidRequest(
                f"{address} lies in the zone {desired.zone!r}, which does not exist",
                call=CallSite(), mend="create the zone first, or correct its name", address=str(address),
            )  # fmt: skip
        for field_name, kind in USES.get(desired.KIND, {}).items():
            for name in names_in(desired, field_name):
                try:
                    self._find(replace(address, kind=kind, name=name), call)
                except NotFound as exc:
                    noun = kind.replace("_", " ")
                    raise InvalidRequest(
                        f"{address} names {noun} {name!r}, which does not exist in {address.region}",
                        call=CallSite(), mend="create it first, or correct the name in the fleet", address=str(address),
                    ) from exc  # fmt: skip

    def _seen(self, row: Row) -> Observed:
        now_s = self._cloud.now_s
        state = State.READY
        if row.gone_s:
            state = State.DELETING
        elif now_s < row.ready_s:
            state = State.UPDATING if row.updating else State.PENDING
        number, resource = row.number, row.resource
        ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" if row.address.kind is Kind.INSTANCE else ""
        endpoints: tuple[str, ...] = ()
        raw: dict[str, Any] = {}
        if isinstance(resource, LoadBalancer):
            endpoints = tuple(f"tcp://{row.id}.fake.invalid:{listener.port}" for listener in resource.listeners)
        elif isinstance(resource, InstanceGroup):
            raw = {"members": [f"{row.id}-{member}" for member in range(resource.size)]}
        elif isinstance(resource, Registry):
            url = f"{self._account.account_id}.registry.fake.invalid/{resource.name}"
            resource = replace(resource, url=url, pull_identity="fake-puller")
        return Observed(
            address=row.address, resource=resource, provider_id=row.id, state=state, owner=row.owner, private_ip=ip,
            endpoints=endpoints, raw=raw,
        )  # fmt: skip


def _order(value: Any) -> tuple[int, ...]:
    """`1.9` before `1.10`; numbers as they are."""
    return tuple(map(int, value.split("."))) if isinstance(value, str) else (int(value),)
