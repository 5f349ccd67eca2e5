"""What there is in the fake cloud: resources, who may do what, faults, an audit log, and virtual time.

Callers: provider.py; tests fill in faults and strangers' changes here. Durations are drawn from the seed by kind, verb
and number, so that a run repeats whatever the threads do in between.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from model.errors import (
    CallSite,
    CloudError,
    Forbidden,
    QuotaExceeded,
    Throttled,
    Transient,
    Unauthenticated,
    UnknownCloudError,
)
from model.resources import Address, AnyResource, Kind
from model.rng import stream

if TYPE_CHECKING:
    from providers.base import Account, CloudProvider

ENDPOINT = "fake:"
MEDIAN_S: Mapping[Kind, float] = {
    Kind.CLUSTER: 600.0, Kind.NODE_POOL: 150.0, Kind.INSTANCE: 40.0, Kind.INSTANCE_GROUP: 60.0,
    Kind.LOAD_BALANCER: 90.0,
}  # fmt: skip
"""Virtual seconds until something is ready or gone; assumed, of the clouds' order of magnitude. Others: USUAL_S."""
USUAL_S = 3.0
SPREAD = 0.25  # sigma of the log-normal
USES: Mapping[Kind, Mapping[str, Kind]] = {
    Kind.SUBNET: {"network": Kind.NETWORK},
    Kind.FIREWALL_GROUP: {"network": Kind.NETWORK},
    Kind.CLUSTER: {"network": Kind.NETWORK, "subnets": Kind.SUBNET, "firewall_group": Kind.FIREWALL_GROUP},
    Kind.NODE_POOL: {"cluster": Kind.CLUSTER, "subnet": Kind.SUBNET},
    Kind.INSTANCE: {"subnet": Kind.SUBNET, "firewall_group": Kind.FIREWALL_GROUP},
    Kind.INSTANCE_GROUP: {"subnets": Kind.SUBNET, "firewall_group": Kind.FIREWALL_GROUP},
    Kind.LOAD_BALANCER: {"network": Kind.NETWORK, "subnets": Kind.SUBNET, "targets": Kind.INSTANCE},
    Kind.DISK: {"attached_to": Kind.INSTANCE},
}
"""Which field of which kind names resources that it needs, and of what kind those are."""
CODES: Mapping[str, type[CloudError]] = {
    "Throttled": Throttled, "Stumbled": Transient, "QuotaExceeded": QuotaExceeded, "Denied": Forbidden,
}  # fmt: skip
"""Code of a fault -> the error that it is; others are UnknownCloudError."""


@dataclass
class Row:
    """One resource. ready_s, gone_s: virtual seconds; gone_s 0: it stays."""

    id: str
    address: Address
    resource: AnyResource
    owner: str
    ready_s: float
    gone_s: float = 0.0
    updating: bool = False

    @property
    def number(self) -> int:
        """In the order in which rows were made, over all kinds."""
        return int(self.id.rpartition("-")[2], 16)


@dataclass
class Fault:
    """operation: a glob over `create network` and the like; count -1: always. delay_s is virtual, and counts against a
    call's deadline. drop_answer: carried out, and nobody is told. service: for callers with several clouds."""

    operation: str
    status: int = 0
    code: str = ""
    message: str = "the fake cloud was told to say so"
    count: int = 1
    delay_s: float = 0.0
    drop_answer: bool = False
    service: str = ""


class Faults:
    """The rows of what goes wrong; the first that matches fires."""

    def __init__(self) -> None:
        self._rows: list[Fault] = []
        self._fired: list[str] = []
        self._lock = threading.Lock()

    def add(self, values: Mapping[str, Any]) -> None:
        with self._lock:
            self._rows.append(Fault(**values))

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()

    def log(self) -> list[str]:
        """Operations that a fault met, in order."""
        with self._lock:
            return list(self._fired)

    def check(self, operation: str) -> Fault | None:
        with self._lock:
            for row in self._rows:
                if row.count and fnmatchcase(operation, row.operation):
                    row.count -= row.count > 0
                    self._fired.append(operation)
                    return replace(row)
        return None


@dataclass(frozen=True)
class Event:
    at_s: float
    actor: str
    operation: str
    resource_id: str


@dataclass
class FakeCloud:
    """keys: key id -> (secret, whether it may write). now_s: virtual seconds, moved by `pass_s` only. wall_s: what the
    audit log writes. dns_zones: whose names can be set. page_size: rows of an answer. Thread-safe."""

    seed: int = 0
    keys: Mapping[str, tuple[str, bool]] = field(default_factory=lambda: {"fake": ("fake-secret", True)})
    wall_s: Callable[[], float] = time.time
    faults: Faults = field(default_factory=Faults)
    now_s: float = 0.0
    events: list[Event] = field(default_factory=list)
    dns_zones: set[str] = field(default_factory=set)
    page_size: int = 1000
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _rows: dict[str, Row] = field(default_factory=dict, repr=False)
    _made: int = 0
    _drawn: dict[tuple[str, str], int] = field(default_factory=dict, repr=False)

    def open(self, account: Account) -> CloudProvider:
        """An adapter over this cloud, as one process has it."""
        from providers.fake.provider import FakeProvider

        return FakeProvider(self, account)

    # -- time --------------------------------------------------------------------------------------------------

    def pass_s(self, seconds: float) -> None:
        with self.lock:
            self.now_s += seconds

    def _takes_s(self, kind: Kind, verb: str) -> float:
        number = self._drawn[kind, verb] = self._drawn.get((kind, verb), 0) + 1
        z = stream(self.seed, "fake", kind, verb, number).gauss(0.0, 1.0)
        return MEDIAN_S.get(kind, USUAL_S) * math.exp(SPREAD * z)

    # -- who ---------------------------------------------------------------------------------------------------

    def admit(self, account: Account, operation: str, *, write: bool) -> None:
        """Raises Unauthenticated for a key that is none, Forbidden for a reader's write."""
        key_id = account.secrets.get("key_id", "")
        secret, writes = self.keys.get(key_id, ("", False))
        site = CallSite(code="NoSuchKey", request_id=self.request_id())
        if not secret or account.secrets.get("secret") != secret:
            raise Unauthenticated(f"{operation}: key {key_id!r} is not known", call=site, mend="give a key that is")
        if write and not writes:
            raise Forbidden(
                f"{operation}: key {key_id!r} only reads",
                call=replace(site, code="Denied"),
                mend="use a key that writes",
            )

    def refuse(self, fault: Fault, operation: str) -> CloudError:
        """The fault as the adapters' error."""
        kind = CODES.get(fault.code, UnknownCloudError)
        site = CallSite(code=fault.code, request_id=self.request_id())
        mend = "ask for a higher limit" if kind is QuotaExceeded else ""
        return kind(f"{operation}: {fault.message}", call=site, mend=mend)

    def request_id(self) -> str:
        with self.lock:
            self._made += 1
            return f"request-{self._made}"

    # -- resources ---------------------------------------------------------------------------------------------

    def rows(self) -> Iterator[Row]:
        """What is there now. Copies: only `make`, `change` and `remove` change anything."""
        with self.lock:
            for key in [k for k, row in self._rows.items() if row.gone_s and self.now_s >= row.gone_s]:
                del self._rows[key]
            found = [replace(row) for row in self._rows.values()]
        yield from found

    def users(self, row: Row) -> list[Row]:
        """What names it, of the same owner and region."""
        return [
            other
            for other in self.rows()
            if (other.address.account, other.address.region, other.owner)
            == (row.address.account, row.address.region, row.owner)
            and not other.gone_s
            and any(
                kind is row.address.kind and row.address.name in names_in(other.resource, name)
                for name, kind in USES.get(other.address.kind, {}).items()
            )
        ]

    def make(self, address: Address, resource: AnyResource, owner: str, actor: str) -> Row:
        with self.lock:
            self._made += 1
            row_id = f"{address.kind.replace('_', '-')}-{self._made:06x}"
            row = Row(row_id, address, resource, owner, self.now_s + self._takes_s(address.kind, "create"))
            self._rows[row_id] = row
            self._tell(actor, "create", row_id)
            return replace(row)

    def change(self, row_id: str, resource: AnyResource, actor: str) -> None:
        with self.lock:
            row = self._rows[row_id]
            if self.now_s >= row.ready_s:
                row.ready_s, row.updating = self.now_s + self._takes_s(row.address.kind, "update") / 4, True
            row.resource = resource
            self._tell(actor, "update", row_id)

    def remove(self, row_id: str, actor: str) -> None:
        with self.lock:
            row = self._rows[row_id]
            row.gone_s = row.gone_s or self.now_s + self._takes_s(row.address.kind, "delete") / 2
            self._tell(actor, "delete", row_id)

    def _tell(self, actor: str, operation: str, row_id: str) -> None:
        self.events.append(Event(self.wall_s(), actor, operation, row_id))


def names_in(resource: AnyResource, field_name: str) -> tuple[str, ...]:
    """The names in a field that holds one or several; "" is none."""
    value = getattr(resource, field_name, ())
    names = (value,) if isinstance(value, str) else tuple(value)
    return tuple(name for name in names if name)
