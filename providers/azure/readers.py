"""What duoyun reads on Azure and does not make: the shared part of the read-only kinds.

Callers: stores.py, databases.py, vaults.py, edges.py, rights.py, services.py. Each type is one list over the
subscription; what lies inside another resource is listed per parent, of the asked region only, and is named
`parent/child`.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, summarize_address_range
from typing import Any

from model.errors import NotBuiltYet, NotFound
from model.resources import Address, Observed
from providers.azure.adapter import Adapter, visible
from providers.azure.arm import Arm, Raw
from providers.azure.names import owner_of
from providers.azure.session import Session
from providers.base import Call


class Reader(Adapter):
    """observe gives the value of one raw resource; read_all gives those of the asked region, and may give others."""

    verbs = frozenset({"list", "get", "changes"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.arm = Arm(session)

    def find(self, address: Address, call: Call, *, own: bool = False) -> Any:
        """Our own first, then what belongs to nobody. Raises NotFound."""
        fallback = None
        for raw in self.read_all(address.region, call):
            if raw.location != address.region or self.address(raw).name != address.name:
                continue
            if visible(raw.tags, call, own=own):
                if not call.fleet or owner_of(raw.tags) == call.fleet:
                    return raw
                fallback = fallback or raw
        if fallback is None:
            raise NotFound(f"{address} is not there", address=str(address))
        return fallback

    def here(self, type_: str, version: str, region: str, call: Call) -> Iterator[Raw]:
        """Of a type, those of the region."""
        return (raw for raw in self.arm.of_type(type_, version, region, call) if raw.location == region)

    def inside(self, parent: Raw, path: str, version: str, call: Call) -> Iterator[Raw]:
        """Children of a resource, under the name `parent/child`, with its region and its owner's tags."""
        operation = f"{parent.type.partition('/')[0].rpartition('.')[2].lower()}.{path.rpartition('/')[2].lower()}.list"
        try:
            for child in self.arm.rows(operation, f"{parent.id}/{path}", version, call):
                child.name = f"{parent.name}/{child.id.rsplit('/', 1)[-1]}"
                child.location = parent.location
                child.tags = child.tags or parent.tags
                yield child
        except NotFound:  # the parent went between the two lists
            return

    def read(self, *_args: Any, **_kwargs: Any) -> Any:
        raise NotBuiltYet(f"Azure: a {self._noun} is only listed")

    @property
    def _noun(self) -> str:
        return self.kind.value.replace("_", " ")

    def create(self, *_args: Any, **_kwargs: Any) -> Observed:
        raise NotBuiltYet(f"Azure: duoyun reads a {self._noun} and makes none")

    def update(self, *_args: Any, **_kwargs: Any) -> Observed:
        raise NotBuiltYet(f"Azure: duoyun reads a {self._noun} and changes none")

    def delete(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotBuiltYet(f"Azure: duoyun reads a {self._noun} and deletes none")


def switched(raw: Raw, *path: str) -> bool | None:
    """`Enabled` and `Disabled` as a flag; None where Azure does not say."""
    value = raw.said(*path)
    return None if value is None else str(value).lower() == "enabled"


def inverse(value: Any) -> bool | None:
    """Of a flag that says the contrary; None stays None."""
    return None if value is None else not value


def tls(value: Any) -> str:
    """`TLS1_2`, `Tls12`, `1.2` -> `1.2`; "" for none."""
    digits = [c for c in str(value or "") if c.isdigit()]
    return ".".join(digits[:2]) if len(digits) >= 2 else ""


def ranges(first: Any, last: Any) -> tuple[str, ...]:
    """An address range as CIDR blocks; () where it is none."""
    try:
        low, high = ip_address(str(first)), ip_address(str(last))
        return tuple(str(net) for net in summarize_address_range(low, high))
    except (ValueError, TypeError):
        return ()


def public_access(raw: Raw) -> bool | None:
    """Whether the public endpoint answers anybody: on, and not limited by network rules."""
    on = switched(raw, "publicNetworkAccess")
    rules = raw.said("networkAcls", "defaultAction") or raw.said("networkRuleSet", "defaultAction")
    return False if on is not False and str(rules or "").lower() == "deny" else on
