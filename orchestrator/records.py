"""What the store can tell: status, history, differences between revisions, endpoints. Reads the store only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model.codec import to_data
from model.errors import InvalidInput
from model.plan import Item, RevisionState
from model.resources import Address, FieldDiff, Kind
from orchestrator.planning import Context
from orchestrator.store import Record

_ENDED_WELL = (RevisionState.DEPLOYED, RevisionState.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """One service in one site. hashes: of the configuration wanted and last seen; equal where all is well."""

    service: str
    site: str
    resources: int
    desired_hash: str
    observed_hash: str
    in_sync: bool
    last_sync_at_s: float | None
    consecutive_failures: int
    state: str

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def status_rows(context: Context) -> tuple[SiteStatus, ...]:
    """Per service and site; what serves a whole region or fleet stands under `-`."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in context.store.inventory.list(context.scope):
        place = record.site or f"{record.address.partition}/{record.address.region}"
        groups.setdefault((record.service or "-", place), []).append(record)
    return tuple(_site_status(*key, rows) for key, rows in sorted(groups.items()))


def _site_status(service: str, site: str, rows: list[Record]) -> SiteStatus:
    synced = [r.last_sync_at_s for r in rows if r.last_sync_at_s is not None]
    # A record that was applied and not looked at since counts as seen: the engine waited until it was ready.
    seen = [r.observed_hash or r.config_hash for r in rows]
    wanted = [r.config_hash for r in rows]
    states = {r.state.value for r in rows}
    return SiteStatus(
        service=service,
        site=site,
        resources=len(rows),
        desired_hash=_together(wanted),
        observed_hash=_together(seen),
        in_sync=wanted == seen and states == {"live"},
        last_sync_at_s=min(synced) if len(synced) == len(rows) else None,
        consecutive_failures=max(r.consecutive_failures for r in rows),
        state=states.pop() if len(states) == 1 else "mixed",
    )


def _together(hashes: Iterable[str]) -> str:
    import hashlib

    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()[:12]


def previous_number(context: Context) -> int:
    """The revision that was deployed before the one that is now. Raises InvalidInput where there is none."""
    rows = context.store.revisions.list(context.scope)
    current = context.store.revisions.latest_deployed(context.scope)
    for row in rows:
        if row.state in _ENDED_WELL and (current is None or row.number < current.number) and row.rollback_of is None:
            return row.number
    raise InvalidInput(
        (), summary=f"{context.scope.application} has no earlier revision to go back to", mend="duoyun history"
    )


def endpoints(context: Context) -> list[dict[str, str]]:
    """Public entries, from the inventory: service, region and URL."""
    found = []
    for record in context.store.inventory.list(context.scope):
        is_service = record.address.kind is Kind.KUBERNETES_OBJECT and "/Service/" in record.address.name
        for url in record.endpoints if is_service else ():
            region = f"{record.address.partition}/{record.address.region}"
            found.append({"service": record.service, "region": region, "url": url})
    return found


@dataclass(frozen=True, slots=True)
class ItemDiff:
    """One item that two desired states do not share, or wherein they differ. change: added, removed, changed."""

    change: str
    address: Address
    fields: tuple[FieldDiff, ...] = ()


def diff_items(before: Iterable[Item], after: Iterable[Item]) -> tuple[ItemDiff, ...]:
    """What would be wanted otherwise; no cloud is asked. Pure."""
    old, new = {i.address: i for i in before}, {i.address: i for i in after}
    rows = []
    for address in sorted(old.keys() | new.keys()):
        if address not in new:
            rows.append(ItemDiff("removed", address))
        elif address not in old:
            rows.append(ItemDiff("added", address))
        else:
            fields = tuple(plain_diffs(to_data(old[address].resource), to_data(new[address].resource)))
            if fields:
                rows.append(ItemDiff("changed", address, fields))
    return tuple(rows)


def plain_diffs(before: Any, after: Any, path: str = "") -> Iterator[FieldDiff]:
    """Field by field over plain data. Lists of named things are matched by name, others as a whole."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            yield from plain_diffs(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif _named(before) and _named(after):
        yield from plain_diffs({r["name"]: r for r in before}, {r["name"]: r for r in after}, path)
    elif before != after:
        yield FieldDiff(path, before, after)


def _named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) and "name" in v for v in value)
