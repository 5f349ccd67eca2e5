"""What kinds share whose API has no filter by tag: everything is listed, and an address is looked for in the list.

Callers: the kinds outside EC2. A kind that is only read inherits the refusals below and is declared with list and get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, NoReturn

from model.errors import Forbidden, NotBuiltYet, NotFound
from model.resources import TAG_FLEET, Address, AnyResource, Kind, Observed
from providers.aws.kinds import address_of, ours, pick, unique_names
from providers.aws.session import Session
from providers.base import Call


class Listed:
    """Subclasses say what there is: `rows`."""

    kind: ClassVar[Kind]
    events: ClassVar[str] = r"(?!)"

    def __init__(self, session: Session) -> None:
        self.session = session

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        """Everything of this kind in a region, ours and others'."""
        raise NotImplementedError

    # -- reading ----------------------------------------------------------------------------------------------

    def all(self, region: str, call: Call, fleet: str | None) -> list[Observed]:
        return [o for o in unique_names(self.rows(region, call), renamed) if fleet is None or o.owner == fleet]

    def find(self, address: Address, call: Call) -> Observed | None:
        found = pick(self.session, address, self.candidates(address, call), call)
        return replace(found, address=address) if found is not None else None

    def peek(self, address: Address, call: Call) -> Observed | None:
        return self.find(address, call)

    def candidates(self, address: Address, call: Call) -> list[Observed]:
        """What an address may mean; kinds that can ask by name do."""
        return unique_names(self.rows(address.region, call), renamed)

    # -- what is only read ------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:  # noqa: ARG002
        self._refuse("create")

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:  # noqa: ARG002
        self._refuse("update")

    def delete(self, observed: Observed, call: Call) -> None:  # noqa: ARG002
        self._refuse("delete")

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def _refuse(self, verb: str) -> NoReturn:
        raise NotBuiltYet(f"duoyun cannot {verb} a {self.kind.replace('_', ' ')} on AWS; it only reads them")

    # -- for subclasses ---------------------------------------------------------------------------------------

    def address(self, region: str, name: str) -> Address:
        return address_of(self.session, region, self.kind, name)

    def observed(self, region: str, resource: AnyResource, provider_id: str, **more: Any) -> Observed:
        """An Observed of this kind; its owner by the tags in `raw`."""
        tags = (more.get("raw") or {}).get("tags") or {}
        values: dict[str, Any] = {"owner": tags.get(TAG_FLEET, ""), **more}
        return Observed(
            address=self.address(region, resource.name), resource=resource, provider_id=provider_id, **values
        )

    def own(self, address: Address, call: Call) -> Observed | None:
        """Ours, where it is there; AlreadyExists where the name is somebody else's; Conflict while ours goes."""
        found = ours(next(iter(self.candidates(address, call)), None), address, self.session, call)
        return None if found is None else replace(found, address=address)

    def read(self, service: str, region: str, operation: str, call: Call, **params: Any) -> dict[str, Any]:
        """One read. operation: AWS's name, e.g. DescribeTags."""
        method = snake(operation)
        answer: dict[str, Any] = self.session.run(
            service, region, operation, lambda client: getattr(client, method)(**params), call
        )
        return answer

    def write(self, service: str, region: str, operation: str, call: Call, **params: Any) -> dict[str, Any]:
        """One mutating request."""
        method = snake(operation)
        answer: dict[str, Any] = self.session.run(
            service, region, operation, lambda client: getattr(client, method)(**params), call, write=True
        )
        return answer

    def gone_is_fine(self, service: str, region: str, operation: str, call: Call, **params: Any) -> None:
        try:
            self.write(service, region, operation, call, **params)
        except NotFound:
            call.progress(f"{operation}: it is gone already")


def renamed(observed: Observed, name: str) -> Observed:
    return replace(
        observed, address=replace(observed.address, name=name), resource=replace(observed.resource, name=name)
    )


def snake(operation: str) -> str:
    """botocore's method of an operation."""
    from botocore import xform_name

    return str(xform_name(operation))


def if_told(read: Callable[[], Any], call: Call, absent: Any = None) -> Any:
    """read(); `absent` where the thing asked for is not there; None where a permission is missing: nobody knows."""
    try:
        return read()
    except NotFound:
        return absent
    except Forbidden as exc:
        call.progress(f"not told: {exc}")
        return None


def tags_of_pairs(rows: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Tags in whichever of AWS's spellings: Key/Value, key/value, TagKey/TagValue."""
    found = {}
    for row in rows or ():
        lowered = {k.lower().removeprefix("tag"): v for k, v in row.items()}
        found[str(lowered["key"])] = str(lowered.get("value") or "")
    return found
