"""What all kinds of resources share: finding by name, claiming, groups on demand, waiting.

Callers: one file per kind (network.py, firewall.py, ...). A kind subclasses Adapter and says how its type
is listed, read and turned into the model; provider.py picks the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from model.errors import AlreadyExists, Conflict, InvalidRequest, NotFound, RolloutFailed
from model.resources import TAG_FLEET, Address, AnyResource, Kind, Observed, State
from providers.azure.names import (
    ArmId,
    arm_name,
    group_name,
    logical_name,
    owner_of,
    parse_id,
    state_of,
    word,
)
from providers.azure.session import Session
from providers.base import Call

T = TypeVar("T")
_MISSES_TOLERATED = 3
_CHANGES_TRIED = 4
_GROUP_MISSING = "ResourceGroupNotFound"


def visible(tags: Mapping[str, str] | None, call: Call, *, own: bool) -> bool:
    """Whether a look-up under this call may answer with a resource that has these tags."""
    owner = owner_of(tags)
    return not call.fleet or owner == call.fleet or (not owner and not own)


def _changed(name: str, before: Any, after: Any) -> bool:
    """What Azure does not tell of other people's machines is no change by itself."""
    return bool(before != after) and not (name == "zone" and not before)


class Seen:
    """A raw resource for reading: each member is asked for once. The SDK's models parse a member whenever it is read,
    which costs more than the rest of a list."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._raw, name)
        setattr(self, name, value)  # next time it is found without asking here
        return value


class Adapter:
    """One kind of the model.

    raw: the SDK's model of a resource; `id`, `name`, `tags`, `location` and `provisioning_state` all types have.
    """

    kind: Kind
    fixed: tuple[str, ...] = ()
    """Fields that cannot change in place."""
    verbs: frozenset[str] = frozenset({"list", "get", "create", "update", "delete", "changes"})
    cannot_set: frozenset[str] = frozenset()
    """Of providers.base.OPTIONAL_FIELDS."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.account = session.account

    # -- what a kind says ---------------------------------------------------------------------------------------

    def read_all(self, region: str, call: Call) -> Iterator[Any]:
        """Every resource of the type in the subscription; the region is filtered by the caller."""
        raise NotImplementedError

    def read(self, where: ArmId, call: Call) -> Any:
        """One resource by group and name. Raises NotFound."""
        raise NotImplementedError

    def observe(self, raw: Any, call: Call) -> Observed:
        raise NotImplementedError

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        raise NotImplementedError

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        raise NotImplementedError

    def delete(self, observed: Observed, call: Call) -> None:
        raise NotImplementedError

    def replaced(self, before: Any, desired: Any) -> tuple[str, ...]:
        """Names of changed fields that cannot change in place. Pure."""
        names = [f.name for f in fields(desired) if f.name in self.fixed]
        return tuple(n for n in names if _changed(n, getattr(before, n), getattr(desired, n)))

    def evidence(self, raw: Any, _call: Call) -> str:
        """Why it failed, in one line."""
        return f"provisioning state {word(raw.provisioning_state)}"

    def after_delete(self, address: Address, call: Call) -> None:
        """Once it is gone: leftovers."""

    # -- shared -------------------------------------------------------------------------------------------------

    def address(self, raw: Any) -> Address:
        region = str(raw.location)
        name = logical_name(self.account, raw.name, region, raw.tags)
        return Address(self.account.partition, self.account.account_id, region, self.kind, name)

    def observed(self, found: Any, resource: AnyResource, **more: Any) -> Observed:
        """Observed with what every type has."""
        return Observed(
            address=self.address(found),
            resource=resource,
            provider_id=found.id,
            state=state_of(found.provisioning_state),
            owner=owner_of(found.tags),
            **more,
        )

    def place(self, address: Address, call: Call) -> ArmId:
        """Where our own resource of that name lies, or would."""
        group = group_name(self.account, call.fleet, address.region)
        return ArmId(group, arm_name(self.account, self.kind, address.name, address.region))

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        for row in self.read_all(region, call):
            raw = Seen(row)
            if raw.location == region and (fleet is None or owner_of(raw.tags) == fleet):
                yield self.observe(raw, call)

    def find(self, address: Address, call: Call, *, own: bool = False) -> Any:
        """Our own, else by our tag, else by Azure's name what belongs to no fleet. Raises NotFound.

        What another fleet owns is never found: it may bear the same name. own: only what our fleet owns.
        """
        if call.fleet or self.account.options.get("resource_group"):
            try:
                raw = self.read(self.place(address, call), call)
                if visible(raw.tags, call, own=own):
                    return raw
            except NotFound:
                pass
        by_name = None
        for raw in self.read_all(address.region, call):
            if raw.location == address.region and self.address(raw).name == address.name:
                if call.fleet and owner_of(raw.tags) == call.fleet:
                    return raw
                if visible(raw.tags, call, own=own):
                    by_name = by_name or raw
        if by_name is None:
            raise NotFound(f"{address} is not there", address=str(address))
        return by_name

    def named(self, of: Address, name: str, call: Call) -> Any:
        """The resource of this kind that `of` names, of the same region. Raises InvalidRequest."""
        try:
            return self.find(replace(of, kind=self.kind, name=name), call)
        except NotFound as exc:
            raise InvalidRequest(
                f"{of} names {self.kind.replace('_', ' ')} {name!r}, which does not exist in {of.region}",
                mend="create it first, or correct the name in the fleet",
                address=str(of),
            ) from exc

    def get(self, address: Address, call: Call) -> Observed:
        return self.observe(self.find(address, call), call)

    def claim(self, address: Address, call: Call) -> Any | None:
        """Our own live resource of that name, None where there is none. Waits out one that is being deleted.

        Raises AlreadyExists where somebody else's bears that name.
        """
        place = self.place(address, call)
        try:
            raw = self.read(place, call)
        except NotFound:
            return None
        if owner_of(raw.tags) != call.fleet:
            raise AlreadyExists(
                f"{place.name} in {place.group} exists and is not of fleet {call.fleet}",
                mend="reference or adopt it, or choose another name in the fleet",
                address=str(address),
            )
        if state_of(raw.provisioning_state) is State.DELETING:
            self.wait_gone(address, call)
            return None
        return raw

    def pending(self, observed: Observed) -> Observed:
        """Right after a PUT: not usable yet, whatever word the type has for it."""
        return replace(observed, state=State.PENDING) if observed.state is State.UPDATING else observed

    def settled(self, change: Callable[[], T]) -> T:
        """change(), which reads, modifies and writes under an etag; again where somebody wrote in between.

        That may have been ourselves, in a write whose answer was lost: reading anew shows it.
        """
        for _ in range(_CHANGES_TRIED - 1):
            try:
                return change()
            except Conflict as exc:
                if exc.call.code != "PreconditionFailed":
                    raise
        return change()

    # -- waiting ------------------------------------------------------------------------------------------------

    def wait_ready(self, address: Address, call: Call) -> Observed:
        misses = 0

        def ready() -> Observed | None:
            nonlocal misses
            try:
                raw = self.find(address, call)
            except NotFound:
                misses += 1
                if misses >= _MISSES_TOLERATED:
                    raise
                return None
            observed = self.observe(raw, call)
            if observed.state in (State.FAILED, State.DELETING):
                raise RolloutFailed(
                    f"{address} is {observed.state}",
                    detail=observed.detail or self.evidence(raw, call),
                    address=str(address),
                )
            return observed if observed.state is State.READY else None

        return self.session.calls.poll(f"azure.{self.kind}.wait_ready", ready, call)

    def wait_gone(self, address: Address, call: Call) -> None:
        try:
            where = parse_id(self.find(address, call, own=True).id)
        except NotFound:
            where = None

        def gone() -> bool | None:
            try:
                raw = self.read(where, call) if where else None
            except NotFound:
                return True
            if raw is not None and state_of(raw.provisioning_state) is State.FAILED:
                raise RolloutFailed(
                    f"{address} could not be deleted", detail=self.evidence(raw, call), address=str(address)
                )
            return None if where else True

        self.session.calls.poll(f"azure.{self.kind}.wait_gone", gone, call)
        self.after_delete(address, call)

    # -- resource groups ----------------------------------------------------------------------------------------

    def in_group(self, address: Address, call: Call, send: Callable[[], T]) -> T:
        """send(); where Azure says that our resource group is missing, makes the group and sends once more."""
        try:
            return send()
        except NotFound as exc:
            if exc.call.code != _GROUP_MISSING:
                raise
        from azure.mgmt.resource.resources.models import ResourceGroup

        self.session.write(
            "resources.resource_groups.put",
            self.session.resources.resource_groups.create_or_update,
            group_name(self.account, call.fleet, address.region),
            ResourceGroup(location=address.region, tags={TAG_FLEET: call.fleet}),
            call=call,
        )
        return send()

    def drop_empty_group(self, address: Address, call: Call) -> None:
        """Deletes our own resource group once nothing is left in it. Somebody else's is left alone."""
        name = group_name(self.account, call.fleet, address.region)
        groups = self.session.resources.resource_groups
        try:
            group = self.session.run("resources.resource_groups.get", groups.get, name, call=call)
            if not call.fleet or owner_of(group.tags) != call.fleet:
                return
            listing = self.session.resources.resources.list_by_resource_group
            if next(self.session.pages("resources.list", listing, name, call=call), None) is not None:
                return
            self.session.begin("resources.resource_groups.delete", groups.begin_delete, name, call=call)
        except NotFound:
            return

        def gone() -> bool | None:
            exists = self.session.run("resources.resource_groups.head", groups.check_existence, name, call=call)
            return None if exists else True

        self.session.calls.poll("azure.resource_group.wait_gone", gone, call)
