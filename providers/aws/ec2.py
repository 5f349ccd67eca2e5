"""What the kinds that live in EC2 share: reading with filters, finding by our tags, writing tags.

Callers: network.py, firewall.py, instances.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from model.errors import NotFound
from model.resources import TAG_FLEET, TAG_NAME, Address, AnyResource, Kind, Observed, State
from providers.aws.kinds import address_of, pick, unique_names
from providers.aws.session import Session
from providers.aws.tags import NAME, changed_tags, from_pairs, pairs
from providers.base import Call

Filters = list[dict[str, Any]]


def where(**values: str | Iterable[str]) -> Filters:
    """EC2 filters; `tag__x` stands for `tag:x`, other `__` for `.` and `_` for `-`."""
    rows = []
    for name, value in values.items():
        key = name.replace("tag__", "tag:").replace("__", ".") if "__" in name else name
        key = key if key.startswith("tag:") else key.replace("_", "-")
        rows.append({"Name": key, "Values": [value] if isinstance(value, str) else sorted(value)})
    return rows


def tag_is(tag: str, value: str) -> Filters:
    return [{"Name": f"tag:{tag}", "Values": [value]}]


class Ec2Kind:
    """Base of the EC2 kinds. Subclasses say how a page of rows becomes Observed."""

    kind: ClassVar[Kind]
    method: ClassVar[str]
    result: ClassVar[str]
    id_filter: ClassVar[str]
    id_pattern: ClassVar[re.Pattern[str]]
    events: ClassVar[str]

    def __init__(self, session: Session) -> None:
        self.session = session

    # -- reading ----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call, filters: Filters) -> list[dict[str, Any]]:
        """Every row that the filters let through."""
        return self.session.pages("ec2", region, self.method, self.result, call, Filters=filters)

    def observe(self, region: str, rows: list[dict[str, Any]], call: Call) -> list[Observed]:
        raise NotImplementedError

    def all(self, region: str, call: Call, fleet: str | None) -> list[Observed]:
        filters = tag_is(TAG_FLEET, fleet) if fleet is not None else []
        found = self.observe(region, self.rows(region, call, filters), call)
        return unique_names(found, _renamed)

    def find(self, address: Address, call: Call) -> Observed | None:
        return self._find(address, call, lambda rows: self.observe(address.region, rows, call))

    def peek(self, address: Address, call: Call) -> Observed | None:
        return self._find(address, call, lambda rows: self.glance(address.region, rows))

    def find_id(self, address: Address, call: Call) -> str | None:
        """The id that an address means, without the requests that a whole observation takes."""
        found = self.peek(address, call)
        return found.provider_id if found is not None else None

    def glance(self, region: str, rows: list[dict[str, Any]]) -> list[Observed]:
        """As observe(), from the rows alone: names, owners and states hold, references may stay ids."""
        raise NotImplementedError

    def _find(
        self, address: Address, call: Call, observe: Callable[[list[dict[str, Any]]], list[Observed]]
    ) -> Observed | None:
        tries = [tag_is(TAG_NAME, address.name), tag_is(NAME, address.name), *self.by_name(address.name)]
        if self.id_pattern.match(address.name):
            tries.append([{"Name": self.id_filter, "Values": [address.name]}])
        for filters in tries:
            rows = self.rows(address.region, call, filters)
            if not rows:
                continue
            observed = observe(rows)
            found = pick(self.session, address, observed, call)
            if found is None and len(observed) == 1 and not observed[0].owner:
                found = observed[0]  # foreign, and known by two names
            if found is not None:
                return replace(found, address=address)
        return None

    def by_name(self, _name: str) -> list[Filters]:
        """Filters for kinds that have names besides the Name tag."""
        return []

    def own(self, address: Address, call: Call) -> Observed | None:
        """The live resource of this address that belongs to this fleet already; other people's may share its name."""
        filters = [*tag_is(TAG_FLEET, call.fleet), *tag_is(TAG_NAME, address.name)]
        rows = self.observe(address.region, self.rows(address.region, call, filters), call)
        return pick(self.session, address, [o for o in rows if o.state is not State.DELETING], call)

    # -- writing ----------------------------------------------------------------------------------------------

    def write(self, region: str, operation: str, call: Call, **params: Any) -> Any:
        """One mutating request. operation: AWS's name, e.g. CreateTags."""
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        return self.session.run(
            "ec2", region, operation, lambda client: getattr(client, method)(**params), call, write=True
        )

    def attempt(self, region: str, operation: str, fn: Callable[[Any], Any], call: Call) -> Any:
        """A look-up followed by a write, tried again as one: for creates without a client token."""
        return self.session.run("ec2", region, operation, fn, call, write=True)

    def update_tags(self, observed: Observed, desired: AnyResource, call: Call) -> None:
        """Writes the user's tags that differ; what carries our tags keeps them."""
        have = observed.raw.get("tags", {})
        changed = changed_tags(have, desired.tags)
        if changed:
            region = observed.address.region
            self.write(region, "CreateTags", call, Resources=[observed.provider_id], Tags=pairs(changed))

    def gone_is_fine(self, region: str, operation: str, call: Call, **params: Any) -> None:
        """A delete that succeeds where there is nothing any more."""
        try:
            self.write(region, operation, call, **params)
        except NotFound:
            call.progress(f"{operation}: it is gone already")


def _renamed(observed: Observed, name: str) -> Observed:
    return replace(
        observed, address=replace(observed.address, name=name), resource=replace(observed.resource, name=name)
    )


def owner_of(tags: Mapping[str, str]) -> str:
    return tags.get(TAG_FLEET, "")


def tags_of(row: Mapping[str, Any]) -> dict[str, str]:
    return from_pairs(row.get("Tags"))


def observed_address(session: Session, region: str, kind: Kind, name: str) -> Address:
    return address_of(session, region, kind, name)
