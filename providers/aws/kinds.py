"""What every kind of this folder offers, so that provider.py can hand a call to the right one.

Callers: provider.py, and each kind implements Handler. Not the public protocol: that is providers.base.Provider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from model.errors import AlreadyExists, CallSite, Conflict, InvalidRequest, NotFound
from model.resources import TAG_KEY, Address, AnyResource, Observed, State
from providers.aws.session import Session
from providers.base import Call


class Handler(Protocol):
    """One kind. all yields foreign resources too; provider.py filters by fleet where asked."""

    def all(self, region: str, call: Call, fleet: str | None) -> Iterable[Observed]: ...
    def find(self, address: Address, call: Call) -> Observed | None:
        """By our tags, else by name, else by id; None where there is none."""
        ...

    def peek(self, address: Address, call: Call) -> Observed | None:
        """As find, with as few requests as tell the state: for waiting. References may stay ids."""
        ...

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed: ...
    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed: ...
    def delete(self, observed: Observed, call: Call) -> None: ...
    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]: ...
    @property
    def events(self) -> str:
        """Regular expression of the CloudTrail event names that change this kind."""
        ...


def address_of(session: Session, region: str, kind: Any, name: str) -> Address:
    return Address(session.account.partition, session.account.account_id, region, kind, name)


def not_found(session: Session, address: Address) -> NotFound:
    site = CallSite(cloud="aws", account=session.account.name, region=address.region)
    return NotFound(f"{address} does not exist", call=site, address=str(address))


def need_fleet(call: Call) -> None:
    """What we create must be tagged as somebody's."""
    if not call.fleet:
        raise InvalidRequest("nothing is created without a fleet to own it")


def pick(session: Session, address: Address, rows: list[Observed], call: Call) -> Observed | None:
    """The one that an address means: ours first, then a foreign one by name, then any by its id.

    What another fleet owns is not meant by a name that our fleet uses, too; its id is unmistakable. One that is being
    deleted gives way to its successor. Of twins, which one request made that was delivered twice, the finished one is
    meant, else the first by id. Conflict where several would do.
    """
    rows = [o for o in rows if o.state is not State.DELETING] or rows
    named = [o for o in rows if o.address.name == address.name and (not call.fleet or o.owner in ("", call.fleet))]
    ours = [o for o in named if o.owner and o.owner == call.fleet]
    by_id = [o for o in rows if o.provider_id == address.name]
    if ours and len({o.raw.get("tags", {}).get(TAG_KEY) or o.provider_id for o in ours}) == 1:
        return min(ours, key=lambda o: (o.state is not State.READY, o.provider_id))
    for candidates in (ours, named, by_id):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            ids = ", ".join(o.provider_id for o in candidates)
            site = CallSite(cloud="aws", account=session.account.name, region=address.region)
            raise Conflict(f"{address} is ambiguous: {ids}", call=site, mend="name it by its id", address=str(address))
    return None


def unique_names(rows: Iterable[Observed], rename: Callable[[Observed, str], Observed]) -> list[Observed]:
    """Foreign resources that share a name are named by their id, so that addresses stay unique."""
    found = list(rows)
    counts: dict[str, int] = {}
    for row in found:
        counts[row.address.name] = counts.get(row.address.name, 0) + 1
    return [row if row.owner or counts[row.address.name] == 1 else rename(row, row.provider_id) for row in found]


def ours(
    found: Observed | None, address: Address, session: Session, call: Call, mend: str = "choose another name"
) -> Observed | None:
    """`found` where it is the fleet's own; None where nothing is there.

    AlreadyExists where it is somebody else's, Conflict while ours is being deleted."""
    if found is None:
        return None
    if found.owner != call.fleet:
        raise AlreadyExists(
            f"{address} exists and belongs to {found.owner or 'nobody that we know'}",
            call=CallSite(cloud="aws", account=session.account.name, region=address.region),
            mend=mend,
            address=str(address),
        )
    if found.state is State.DELETING:
        raise Conflict(f"{address} is still being deleted", address=str(address), mend="wait until it is gone")
    return found
