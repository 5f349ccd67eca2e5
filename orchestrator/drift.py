"""Recorded against live, field by field, over cloud resources and workloads: what changed, who did it, what it breaks.

Callers: `duoyun drift scan` and the demo. Reads only; mending is a release like any other (`plan_mend`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from model.codec import digest, to_data
from model.errors import DuoyunError, InvalidInput
from model.plan import Finding, Item
from model.resources import Address, AnyResource, Change, FieldDiff, Kind, Observed, State
from orchestrator.gating import judge_live
from orchestrator.late import bind, instance_addresses
from orchestrator.observe import World
from orchestrator.planning import Context, Planned, compare, current_plan, observe_for, plan_for, records_here
from orchestrator.store import Record, RecordState


class DriftKind(StrEnum):
    """changed: fields differ. missing: ours, and gone. orphan: carries our tag, and no record of it exists.

    delegated: another manager's field; shown, never mended. foreign: somebody else's, beside ours.
    """

    CHANGED = "changed"
    MISSING = "missing"
    ORPHAN = "orphan"
    DELEGATED = "delegated"
    FOREIGN = "foreign"


_COUNTS = frozenset({DriftKind.CHANGED, DriftKind.MISSING, DriftKind.ORPHAN})


@dataclass(frozen=True, slots=True)
class Drift:
    """One resource that is not as recorded. findings: policies that its live state breaks and the record does not."""

    kind: DriftKind
    address: Address
    ownership: str
    diffs: tuple[FieldDiff, ...] = ()
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    service: str = ""

    @property
    def counts(self) -> bool:
        """Whether it is drift to be mended, as against something to know of."""
        return self.kind in _COUNTS

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "address": str(self.address),
            "ownership": self.ownership,
            "service": self.service,
            "fields": [to_data(d) for d in self.diffs],
            "changed_by": [{"actor": c.actor, "at_s": c.at_s, "operation": c.operation} for c in self.changes],
            "policies": [
                {"id": f.rule_id, "title": f.title, "severity": f.severity.name.lower(), "message": f.message}
                for f in self.findings
            ],
        }


@dataclass(frozen=True, slots=True)
class DriftReport:
    """checked: resources compared. unobserved: what could not be read, which is unknown and not "no drift".

    elsewhere: partitions that another executor works for, and how many recorded resources there were not looked at.
    """

    rows: tuple[Drift, ...]
    checked: int
    unobserved: tuple[str, ...]
    seconds: float
    world: World = field(repr=False, default_factory=World)
    elsewhere: Mapping[str, int] = field(default_factory=dict)

    @property
    def drifted(self) -> tuple[Drift, ...]:
        return tuple(r for r in self.rows if r.counts)


def scan(context: Context, *, foreign: bool = False) -> DriftReport:
    """Compares the inventory with what is there. Raises InvalidInput where nothing was ever deployed."""
    began = time.monotonic()
    context.targets.executor.require_fit(context.loaded.fleet)
    everywhere = context.store.inventory.list(context.scope)
    records = records_here(context)
    if not everywhere:
        raise InvalidInput(
            (),
            summary=f"{context.scope.application} is not deployed: there is nothing to compare with",
            mend="duoyun deploy",
        )
    plan = current_plan(context)
    items = plan.items if plan else ()
    world = observe_for(context, items, records, foreign=foreign)
    rows: list[Drift] = []
    hashes: dict[Address, str | None] = {}
    for address, record in records.items():
        row, hashes[address] = _of_record(context, record, records, world)
        rows += [row] if row is not None else []
    context.store.inventory.observed_all(context.scope, hashes, at_s=time.time())
    rows += _unrecorded(context, records, world)
    return DriftReport(
        rows=tuple(sorted(rows, key=lambda r: (r.kind is DriftKind.FOREIGN, r.address))),
        checked=len(records),
        unobserved=tuple(f"{plane}: {error.summary}" for plane, error in sorted(world.unobserved.items())),
        seconds=time.monotonic() - began,
        world=world,
        elsewhere=dict(Counter(r.address.partition for r in everywhere if not context.may(r.address.partition))),
    )


def _of_record(
    context: Context, record: Record, records: dict[Address, Record], world: World
) -> tuple[Drift | None, str | None]:
    """What differs, and the hash of what was seen, for `status`: None where it could not be looked at or is gone."""
    if world.unknown(record.address):
        return None, None
    seen = world.resources.get(record.address)
    owned = record.ownership.value
    if seen is None or seen.state is State.DELETING:
        if record.state is not RecordState.LIVE:
            return None, None
        changes = _changes(context, record)
        return Drift(DriftKind.MISSING, record.address, owned, changes=changes, service=record.service), None
    desired = _bound(record, records)
    diffs = compare(seen, desired, record.desired)
    ours = tuple(d for d in diffs if not d.delegated)
    if ours:
        drift = Drift(
            DriftKind.CHANGED,
            record.address,
            owned,
            diffs=ours,
            changes=_changes(context, record),
            findings=judge_live(context.loaded, seen, desired),
            service=record.service,
        )
        return drift, digest(seen.resource)
    if diffs:
        return Drift(
            DriftKind.DELEGATED, record.address, owned, diffs=diffs, service=record.service
        ), record.config_hash
    return None, record.config_hash


def _bound(record: Record, records: dict[Address, Record]) -> AnyResource:
    ips = {a: (r.service, r.private_ip) for a, r in records.items()}
    return bind(record.address, record.desired, instance_addresses(ips))


def _changes(context: Context, record: Record) -> tuple[Change, ...]:
    """Who did it, where the cloud's audit log tells; a log that cannot be read takes nothing from the finding."""
    since_s = record.updated_at_s
    try:
        from providers.base import Call

        call = Call(deadline_s=time.monotonic() + 15.0, fleet=context.scope.fleet)
        return context.targets(record.address).changes(record.address, since_s, call)
    except DuoyunError:
        return ()


def _unrecorded(context: Context, records: dict[Address, Record], world: World) -> Iterable[Drift]:
    """What carries our tag and stands in no inventory is an orphan; what carries no tag of ours is somebody else's."""
    for address, seen in world.resources.items():
        if address in records or seen.state is State.DELETING or _is_reference(context, seen):
            continue
        if seen.owner == context.scope.fleet:
            if context.store.inventory.owners(address):
                continue  # another application's of the same fleet
            if address.kind is Kind.KUBERNETES_OBJECT and not _of_this_application(context, seen):
                continue
            yield Drift(DriftKind.ORPHAN, address, "own", changes=())
        else:
            yield Drift(DriftKind.FOREIGN, address, "foreign")


def _of_this_application(context: Context, seen: Observed) -> bool:
    return seen.address.name.split("/")[1] in (context.loaded.app.namespace, "-")


def _is_reference(context: Context, seen: Observed) -> bool:
    """Whether the fleet names it as somebody else's that we rely on."""
    for region in context.loaded.fleet.spec.regions:
        names = {Kind.NETWORK: {region.network.name}, Kind.FIREWALL_GROUP: {f.name for f in region.firewalls}}
        if region.region == seen.address.region and seen.address.name in names.get(seen.address.kind, set()):
            return True
    return False


def plan_mend(context: Context) -> Planned:
    """The plan that brings everything back to the revision that is deployed.

    Raises InvalidInput where no revision is deployed.
    """
    plan = current_plan(context)
    if plan is None:
        raise InvalidInput(
            (),
            summary=f"{context.scope.application}: no revision is deployed that could be restored",
            mend="duoyun deploy",
        )
    items: tuple[Item, ...] = plan.items
    return plan_for(context, items, plan.placement, app=plan.app, app_sha256=plan.app_sha256, before=plan)
