"""What of a desired state one executor may bring about now, where the fleet spans executors. Pure.

A release by an executor that works for some partitions is a whole one of its own: what it wants there is new, and what
is elsewhere stays as it was last deployed. So each revision says what is where, and is rolled back like any other. The
plan's order holds across partitions: what depends on something elsewhere that is not yet as wanted is held back, and
is done by the next release here after that one's. Callers: planning. ADR 12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from model.codec import digest
from model.plan import Action, Item, Op
from model.resources import Address, AnyResource, Kind, Ownership
from orchestrator.late import is_pending

_WORKS = (Kind.KUBERNETES_OBJECT, Kind.INSTANCE)


@dataclass(frozen=True, slots=True)
class Held:
    """An item of ours that is left as it is for now. waits_for: what elsewhere has to be there first."""

    address: Address
    waits_for: tuple[Address, ...]

    def __str__(self) -> str:
        first = self.waits_for[0]
        more = f" and {len(self.waits_for) - 1} more" if len(self.waits_for) > 1 else ""
        return f"{self.address} waits for {first}{more}"


@dataclass(frozen=True, slots=True)
class Part:
    """items: the whole desired state as this release leaves it. held: what is left as it is, or not taken away, yet.

    elsewhere: partitions that have something to do then.
    """

    items: tuple[Item, ...]
    held: tuple[Held, ...]
    elsewhere: tuple[str, ...]


def part_of(
    wanted: Iterable[Item], deployed: Iterable[Item], may: Callable[[str], bool], *, in_order: bool = True
) -> Part:
    """wanted: the whole desired state; deployed: the one in place, as its revision has it. may: of a partition.

    in_order: hold back what waits for other partitions. Not so for a way back, which goes from callers to callees.
    """
    new, old = {i.address: i for i in wanted}, {i.address: i for i in deployed}
    changed = {a for a, item in new.items() if a not in old or old[a].resource != item.resource}
    open_there = {a for a in changed if not may(a.partition) and new[a].ownership is not Ownership.REFERENCE}
    gone_there = {a for a, item in old.items() if a not in new and not may(a.partition) and _goes(item)}
    waits = _waits(new, open_there) if in_order else {}
    held = {a: waits[a] for a in changed if may(a.partition) and waits.get(a)}
    kept = _kept(new, old, may, open_there | held.keys()) if in_order else set()
    items = {a: item for a, item in new.items() if may(a.partition) and a not in held}
    items |= {a: old[a] for a in kept | (held.keys() & old.keys())}
    items |= {a: item for a, item in old.items() if not may(a.partition)}
    return Part(
        items=tuple(sorted(items.values(), key=lambda i: (i.wave, i.address))),
        held=tuple(
            Held(a, tuple(sorted(held.get(a, open_there), key=_workloads_first)))
            for a in sorted(held.keys() | kept)
            if open_there
        ),
        elsewhere=tuple(sorted({a.partition for a in open_there | gone_there})),
    )


def _workloads_first(address: Address) -> tuple[bool, Address]:
    """The first is shown, and what runs says more than the network below it."""
    return (address.kind is not Kind.INSTANCE and "/Deployment/" not in address.name, address)


def _goes(item: Item) -> bool:
    """Whether it is deleted when it is no longer wanted: what was adopted or only referred to stays."""
    return item.ownership is Ownership.OWN


def _waits(new: Mapping[Address, Item], open_there: set[Address]) -> dict[Address, frozenset[Address]]:
    """Of each item, what it depends on, however far down, that is open elsewhere."""
    found: dict[Address, frozenset[Address]] = {}
    for item in sorted(new.values(), key=lambda i: (i.wave, i.address)):
        stack = [item.address]
        while stack:
            address = stack[-1]
            if address in found:
                stack.pop()
                continue
            below = [d for d in new[address].depends_on if d in new]
            missing = [d for d in below if d not in found and d not in stack]
            if missing:
                stack += missing
                continue
            found[address] = frozenset(d for d in below if d in open_there).union(
                *(found.get(d, frozenset()) for d in below)
            )
            stack.pop()
    return found


def _kept(
    new: Mapping[Address, Item], old: Mapping[Address, Item], may: Callable[[str], bool], undone: set[Address]
) -> set[Address]:
    """What is no longer wanted here and stays for now.

    A service's workload stays while its successor has yet to come up somewhere; networks, clusters and nodes stay
    while anything has, since it may still run on them; and so does all that those stand on.
    """
    services = {new[a].service for a in undone if new[a].service}
    busy = any(a.kind in _WORKS for a in undone)
    doomed = [i for a, i in old.items() if may(a.partition) and a not in new and _goes(i)]
    kept = {i.address for i in doomed if (i.service in services if i.address.kind in _WORKS else busy)}
    todo = [*kept, *(a for a in undone if may(a.partition) and a in old)]
    while todo:
        for below in old[todo.pop()].depends_on:
            if below in old and below not in new and below not in kept and may(below.partition):
                kept.add(below)
                todo.append(below)
    return kept


def same_here(items: Iterable[Item], deployed: Iterable[Item], may: Callable[[str], bool]) -> bool:
    """Whether both say the same of the partitions that are ours."""

    def of(rows: Iterable[Item]) -> dict[Address, Item]:
        return {i.address: replace(i, depends_on=()) for i in rows if may(i.address.partition)}

    return of(items) == of(deployed)


def unseen(now: Iterable[Action], saved: Iterable[Action]) -> tuple[Action, ...]:
    """What would be done now, and does not stand in the saved plan: it may not be done in that plan's name.

    What stands there and need not be done any more is done, or held back. An address that the saved plan did not know
    yet is no difference.
    """
    known: dict[tuple[Op, Address, str], AnyResource | None] = {_what(a): a.desired for a in saved}

    def as_seen(action: Action) -> bool:
        if _what(action) not in known:
            return False
        then = known[_what(action)]
        return then == action.desired or (then is not None and is_pending(then))

    return tuple(a for a in now if not as_seen(a))


def _what(action: Action) -> tuple[Op, Address, str]:
    return action.op, action.address, digest(action.before) if action.before else ""
