"""What every kind shares: ownership tags, finding by name, creating once, and names for ids.

Callers: network, firewall, cluster, pools, instances; provider.py. A kind's adapter says how its rows are listed and
read; looking up, waiting for visibility and idempotency are here.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from model.errors import Conflict, InvalidRequest, NotFound, Unreachable
from model.resources import TAG_FLEET, TAG_KEY, TAG_NAME, Address, AnyResource, Kind, Observed, State
from providers.alibaba.session import Session, client_token
from providers.base import Account, Call
from providers.remembered import TAG_IMAGE, TAG_USER_DATA

Row = Mapping[str, Any]
NAMES_TTL_S = 60.0
MISS_TTL_S = 5.0
TAG_NETWORK, TAG_SUBNETS, TAG_LAYER = "duoyun-network", "duoyun-subnets", "duoyun-layer"  # what a CLB does not tell
TAG_GROUP = "acs:autoscaling:scalingGroupId"  # which ESS puts on the instances of its groups
OUR_TAGS = frozenset({TAG_FLEET, TAG_NAME, TAG_KEY, TAG_USER_DATA, TAG_IMAGE, TAG_NETWORK, TAG_SUBNETS, TAG_LAYER})


@dataclass(frozen=True, slots=True)
class Identified:
    """What every row tells: the cloud's id and name, and the tags."""

    id: str
    name: str
    tags: Mapping[str, str]

    @property
    def logical_name(self) -> str:
        return self.tags.get(TAG_NAME) or self.name or self.id


_WHO = "duoyun identity"  # no member of any answer
_SPELLINGS = (("TagKey", "TagValue"), ("Key", "Value"), ("key", "value"))


def tags_of(rows: Any) -> dict[str, str]:
    """Tags from any of the three spellings: TagKey/TagValue (ECS), Key/Value (VPC), key/value (CS)."""
    found = {}
    for row in rows or ():
        name, value = next((pair for pair in _SPELLINGS if pair[0] in row), _SPELLINGS[0])
        found[str(row.get(name, ""))] = str(row.get(value) or "")
    return found


def users_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Without those by which we know our own."""
    return {k: v for k, v in tags.items() if k not in OUR_TAGS}


def ownership_tags(desired: AnyResource, address: Address, call: Call) -> dict[str, str]:
    """All tags of a resource that we make. The key is cut to what a tag value may hold (128 characters)."""
    ours = {TAG_FLEET: call.fleet, TAG_NAME: address.name, TAG_KEY: call.key[:128]}
    return {**desired.tags, **{k: v for k, v in ours.items() if v}}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": k, "Value": v} for k, v in sorted(tags.items())]


class Adapter(ABC):
    """One kind. Subclasses read and write; `list`, `find` and `create` are made of that here."""

    KIND: ClassVar[Kind]
    HAS_TOKEN: ClassVar[bool] = True  # whether its creation takes a ClientToken

    def __init__(self, session: Session, references: References) -> None:
        self.session, self.references = session, references
        references.adapters[self.KIND] = self
        self._visible_within_s = float(session.account.options.get("visible_within_s", 2.0))

    @property
    def account(self) -> Account:
        return self.session.account

    def address(self, region: str, name: str) -> Address:
        return Address(self.account.partition, self.account.account_id, region, self.KIND, name)

    # -- what a kind must say ----------------------------------------------------------------------------------

    @abstractmethod
    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        """All rows, or those with these tags, or of this cloud name. May give more than was asked for."""

    @abstractmethod
    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None: ...

    @abstractmethod
    def identify(self, row: Row) -> Identified: ...

    @abstractmethod
    def observe(self, region: str, row: Row, call: Call) -> Observed: ...

    @abstractmethod
    def make(self, address: Address, desired: Any, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        """Sends the creation, returns the id. token(params) is the ClientToken for these parameters."""

    @abstractmethod
    def update(self, observed: Observed, desired: Any, call: Call) -> None: ...

    @abstractmethod
    def delete(self, observed: Observed, call: Call) -> None: ...

    @abstractmethod
    def fixed_fields(self) -> tuple[str, ...]:
        """Fields that cannot change in place."""

    def made_anew_for(self, before: Any, desired: Any) -> tuple[str, ...]:  # noqa: ARG002
        """Fields that cannot change in place to what is wanted, though they can to something else."""
        return ()

    def trail_names(self, observed: Observed) -> tuple[str, ...]:
        """By which names the audit log knows it."""
        return (observed.provider_id.rpartition("/")[2],)

    def who(self, row: Row) -> Identified:
        """identify(), once for each row."""
        known = row.get(_WHO)
        if known is None:
            known = cast(dict[str, Any], row)[_WHO] = self.identify(row)
        return cast(Identified, known)

    # -- what follows from it ----------------------------------------------------------------------------------

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        wanted = {TAG_FLEET: fleet} if fleet is not None else None
        for row in self.rows(region, call, tags=wanted):
            if fleet is None or self.who(row).tags.get(TAG_FLEET) == fleet:
                yield self.observe(region, row, call)

    def find(self, address: Address, call: Call) -> Observed:
        """By our tags, else by the cloud's name what belongs to no fleet. Raises NotFound, or Conflict for several.

        What another fleet owns is never found: it may bear the same name.
        """
        tagged = list(self.rows(address.region, call, tags={TAG_NAME: address.name}))
        matches = [r for r in tagged if self.identify(r).tags.get(TAG_NAME) == address.name]
        ours = [r for r in matches if call.fleet and self.identify(r).tags.get(TAG_FLEET) == call.fleet]
        chosen = ours or [r for r in matches if not self._is_anothers(r, call)]
        if not chosen:
            named = self.rows(address.region, call, name=address.name)
            chosen = [
                r
                for r in named
                if (i := self.identify(r)).name == address.name
                and i.tags.get(TAG_NAME, i.name) == i.name
                and not self._is_anothers(r, call)
            ]
        if not chosen:
            raise NotFound(f"{address} does not exist", address=str(address))
        seen = [self.observe(address.region, row, call) for row in chosen]
        living = [o for o in seen if o.state is not State.DELETING] or seen[:1]
        if len(living) > 1:
            raise Conflict(
                f"{address}: {len(living)} resources go by that name",
                detail=", ".join(o.provider_id for o in living),
                mend=f"tag the right one {TAG_NAME}={address.name}, or remove the others",
                address=str(address),
            )
        return living[0]

    def _is_anothers(self, row: Row, call: Call) -> bool:
        return bool(call.fleet) and self.identify(row).tags.get(TAG_FLEET, "") not in ("", call.fleet)

    def owned(self, address: Address, call: Call) -> Observed | None:
        """Ours by tag, alive; None where there is none."""
        wanted = {TAG_FLEET: call.fleet, TAG_NAME: address.name}
        for row in self.rows(address.region, call, tags={k: v for k, v in wanted.items() if v}):
            tags = self.identify(row).tags
            if all(tags.get(k) == v for k, v in wanted.items() if v):
                seen = self.observe(address.region, row, call)
                if seen.state is not State.DELETING:
                    return seen
        return None

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        """Looks first, then creates with a token made of the call's key.

        A cloud repeats its first answer for a token, also when what it made is gone since (destroyed and deployed
        again within a day): where the answer's id does not become visible, the next token of the row is used.
        """
        existing = self.owned(address, call)
        if existing is not None:
            return existing
        for generation in range(8 if call.key and self.HAS_TOKEN else 1):

            def token(params: Mapping[str, Any], generation: int = generation) -> str:
                return client_token(call, address, generation, sorted(params.items()))

            provider_id = self.make(address, desired, call, token)
            row = self.visible(address.region, provider_id, call)
            if row is not None:
                return self.observe(address.region, row, call)
        raise Unreachable(f"{address}: created as {provider_id}, but it does not show up", address=str(address))

    def visible(self, region: str, provider_id: str, call: Call) -> Row | None:
        """The row, once the cloud shows it; None after a short while."""
        end = time.monotonic() + self._visible_within_s

        def look() -> tuple[Row | None] | None:
            row = self.by_id(region, provider_id, call)
            return (row,) if row is not None or time.monotonic() >= end else None

        return self.session.calls.poll(f"{self.KIND} {provider_id} to appear", look, call, every_s=0.1)[0]

    def create_without_token(self, address: Address, call: Call, post: Callable[[], str]) -> str:
        """For APIs without client tokens: after a failed attempt, looks whether it was made all the same."""
        failed = False

        def attempt() -> str:
            nonlocal failed
            if failed:
                made = self.session.calls.poll(f"{address} to appear", self._appeared(address, call), call)[0]
                if made is not None:
                    return made
            failed = True
            return post()

        return self.session.calls.run(f"create {self.KIND}", attempt, call)

    def _appeared(self, address: Address, call: Call) -> Callable[[], tuple[str | None] | None]:
        end = time.monotonic() + self._visible_within_s

        def look() -> tuple[str | None] | None:
            seen = self.owned(address, call)
            if seen is not None:
                return (seen.provider_id,)
            return (None,) if time.monotonic() >= end else None

        return look


class References:
    """Between logical names and the cloud's ids, within a region. Thread-safe."""

    def __init__(self) -> None:
        self.adapters: dict[Kind, Adapter] = {}
        self._zones: dict[str, str] = {}
        self._misses: dict[tuple[Kind, str, str], float] = {}  # ids that nothing goes by: asked for again a while later
        self._names: dict[tuple[Kind, str], tuple[float, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def name(self, kind: Kind, region: str, provider_id: str, call: Call) -> str:
        """The logical name; the id itself where nothing of that id exists (any more)."""
        if not provider_id:
            return ""
        with self._lock:
            at, known = self._names.get((kind, region), (0.0, {}))
            missed_at = self._misses.get((kind, region, provider_id), -MISS_TTL_S)
        if provider_id not in known and time.monotonic() - missed_at < MISS_TTL_S:
            return provider_id
        if provider_id not in known or time.monotonic() - at > NAMES_TTL_S:
            adapter = self.adapters[kind]
            known = {i.id: i.logical_name for i in map(adapter.identify, adapter.rows(region, call))}
            with self._lock:
                self._names[kind, region] = (time.monotonic(), known)
                if provider_id not in known:
                    self._misses[kind, region, provider_id] = time.monotonic()
        return known.get(provider_id, provider_id)

    def zone(self, region: str, switch_id: str, call: Call) -> str:
        """Where a vSwitch is, which never changes; "" for one that is gone."""
        known = self._zones.get(switch_id)
        if known is None and switch_id:
            row = self.adapters[Kind.SUBNET].by_id(region, switch_id, call)
            if row is None:
                return ""
            known = self._zones[switch_id] = str(row.get("ZoneId", ""))
        return known or ""

    def forget(self, kind: Kind, region: str) -> None:
        with self._lock:
            self._names.pop((kind, region), None)
            self._misses = {key: at for key, at in self._misses.items() if key[:2] != (kind, region)}

    def find(self, kind: Kind, of: Address, name: str, call: Call) -> Observed:
        """What `of` refers to by that name. Raises InvalidRequest naming both."""
        adapter = self.adapters[kind]
        try:
            return adapter.find(adapter.address(of.region, name), call)
        except NotFound as exc:
            raise InvalidRequest(
                f"{of} names {kind.replace('_', ' ')} {name!r}, which does not exist in {of.region}",
                mend="create it first, or correct the name in the fleet",
                address=str(of),
            ) from exc


def gone_is_fine(work: Callable[[], Any]) -> None:
    """Deleting what is gone succeeds."""
    try:
        work()
    except NotFound:
        return


def changed_tags(observed: Observed, desired: AnyResource) -> dict[str, str]:
    """Wanted tags that are not so yet. Other people's tags are theirs and stay."""
    return {k: v for k, v in desired.tags.items() if observed.resource.tags.get(k) != v}
