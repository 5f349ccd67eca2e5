"""What was adopted stays somebody's running system: never destroyed, never made anew. Pure. Callers: planning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from model.errors import Diagnostic
from model.plan import Action, Item, Op
from model.resources import Address, Ownership
from orchestrator.store import Record


def is_adopted(record: Record) -> bool:
    """Whether `duoyun adopt` recorded it."""
    return record.ownership is Ownership.ADOPT


def kept_adopted(items: Iterable[Item], records: Mapping[Address, Record]) -> tuple[Item, ...]:
    """What `duoyun adopt` recorded stays adopted, whatever the fleet says of it: it is changed, and never destroyed."""
    kept = {a for a, record in records.items() if is_adopted(record)}
    return tuple(replace(item, ownership=Ownership.ADOPT) if item.address in kept else item for item in items)


def adopted_replaced(actions: Iterable[Action], items: Iterable[Item]) -> list[Diagnostic]:
    """What was adopted is somebody's running system: it is changed in place, or not at all. Pure."""
    adopted = {i.address for i in items if i.ownership is Ownership.ADOPT}
    mend = (
        "give the service another name, so that both run side by side until the old one is deleted by hand; or "
        "`duoyun adopt --undo` it, and delete it when it may be away"
    )
    return [
        Diagnostic("", f"{a.address} was adopted, and {a.reason}", mend)
        for a in actions
        if a.op is Op.REPLACE and a.address in adopted
    ]
