"""Desired and observed -> actions. Pure: the same values give the same actions with the same ids.

Callers: release (deploy, rollback, destroy), drift (what would mend it). The engine executes what comes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from model.codec import digest
from model.plan import Action, Item, Op
from model.resources import Address, AnyResource, FieldDiff, Kind, Observed, Ownership, State

Diff = Callable[[Observed, AnyResource, AnyResource | None], tuple[FieldDiff, ...]]
NeedsReplace = Callable[[Address, AnyResource, AnyResource], tuple[str, ...]]

# What must be gone before what: workloads before the nodes they run on, nodes before their cluster, and so on.
_TEARDOWN_RANK = {
    Kind.KUBERNETES_OBJECT: 0,
    Kind.INSTANCE: 1,
    Kind.NODE_POOL: 2,
    Kind.CLUSTER: 3,
    Kind.FIREWALL_GROUP: 4,
    Kind.SUBNET: 5,
    Kind.NETWORK: 6,
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the store knows of a resource that we own: as last applied, and whose it is.

    confirmed: False where the release that created or changed it ended before it was seen to be ready, or was watched.
    """

    resource: AnyResource
    ownership: Ownership = Ownership.OWN
    service: str = ""
    site: str = ""
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Missing:
    """Something the plan relies on and may not create: a referenced resource that is not there."""

    address: Address
    needed_by: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Reconciled:
    actions: tuple[Action, ...]
    missing: tuple[Missing, ...]
    delegated: tuple[tuple[Address, FieldDiff], ...]


def reconcile(
    items: Iterable[Item],
    observed: Mapping[Address, Observed],
    recorded: Mapping[Address, Recorded],
    *,
    diff: Diff,
    needs_replace: NeedsReplace,
    unobserved: Callable[[Address], bool] = lambda _a: False,
    salt: str = "",
) -> Reconciled:
    """How to get from observed to the items' desired state.

    recorded: this application's inventory; what is in it and no longer desired is deleted, if we own it.
    unobserved: says of an address that nothing is known about it; nothing is planned there. salt: what tells this
    release from another with the same content, so that a thing made anew is not taken for the one that was deleted.
    """
    items = tuple(sorted(items, key=lambda i: (i.wave, i.address)))
    actions: dict[Address, Action] = {}
    missing: list[Missing] = []
    delegated: list[tuple[Address, FieldDiff]] = []
    for item in items:
        if unobserved(item.address):
            continue
        seen = observed.get(item.address)
        if seen is not None and seen.state is State.DELETING:
            seen = None
        if item.ownership is Ownership.REFERENCE:
            if seen is None:
                needed = tuple(i.address for i in items if item.address in i.depends_on)
                missing.append(Missing(item.address, needed))
            continue
        past = recorded.get(item.address)
        if seen is None:
            actions[item.address] = _action(item, Op.CREATE, None, (), salt=salt)
            continue
        diffs = diff(seen, item.resource, past.resource if past else None)
        delegated += [(item.address, d) for d in diffs if d.delegated]
        diffs = tuple(d for d in diffs if not d.delegated)
        if diffs:
            before = _before(item, seen, past)
            fields = needs_replace(item.address, before, item.resource)
            op = Op.REPLACE if fields else Op.UPDATE
            reason = f"{', '.join(fields)} cannot change in place" if fields else ""
            actions[item.address] = _action(item, op, before, diffs, reason, salt=salt)
        elif seen.state in (State.PENDING, State.FAILED) and item.address.kind is not Kind.KUBERNETES_OBJECT:
            # Half made: an update completes it. What a cluster is busy with comes right, or fails, by itself.
            actions[item.address] = _action(item, Op.UPDATE, seen.resource, (), "it was left unfinished", salt=salt)
        elif past is None or not past.confirmed:
            # Adopted, or left by an interrupted release: nothing to change, but to wait for and to record.
            reason = "no release has seen it become ready" if past is not None else ""
            actions[item.address] = _action(item, Op.ADOPT, seen.resource, (), reason, salt=salt)
    wanted = {i.address for i in items}
    doomed = [
        (address, past, observed.get(address))
        for address, past in sorted(recorded.items())
        if address not in wanted and past.ownership is Ownership.OWN and not unobserved(address)
    ]
    creations = _order(items, actions)
    return Reconciled(creations + _deletions(doomed, creations, salt), tuple(missing), tuple(delegated))


def _before(item: Item, seen: Observed, past: Recorded | None) -> AnyResource:
    """What is there. Of an adopted object of a cluster as it was recorded: observed of it is what we own, which is not
    all of it, and the way back has to know the rest."""
    adopted = past is not None and past.ownership is Ownership.ADOPT and item.address.kind is Kind.KUBERNETES_OBJECT
    return past.resource if adopted and past is not None else seen.resource


def _action(
    item: Item, op: Op, before: AnyResource | None, diffs: tuple[FieldDiff, ...], reason: str = "", *, salt: str
) -> Action:
    return Action(
        id=action_id(op, item.address, item.resource, before, salt),
        op=op,
        address=item.address,
        desired=item.resource,
        before=before,
        diffs=diffs,
        service=item.service,
        site=item.site,
        wave=item.wave,
        reason=reason,
    )


def action_id(op: Op, address: Address, desired: AnyResource | None, before: AnyResource | None, salt: str) -> str:
    """Stable for equal content and salt, at most 40 ASCII characters: it becomes the clouds' idempotency token."""
    text = f"{salt}|{op}|{address}|{digest(desired) if desired else ''}|{digest(before) if before else ''}"
    return f"{op}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _order(items: tuple[Item, ...], actions: Mapping[Address, Action]) -> tuple[Action, ...]:
    """Gives each action the ids of the nearest acting dependencies, through items that need no action."""
    by_address = {i.address: i for i in items}
    nearest: dict[Address, frozenset[str]] = {}

    def resolve(address: Address) -> frozenset[str]:
        if address not in nearest:
            nearest[address] = frozenset()  # a cycle, which loading refuses, would end here
            nearest[address] = frozenset[str]().union(
                *(
                    frozenset({actions[d].id}) if d in actions else resolve(d)
                    for d in (by_address[address].depends_on if address in by_address else ())
                )
            )
        return nearest[address]

    return tuple(
        replace(actions[i.address], depends_on=tuple(sorted(resolve(i.address)))) for i in items if i.address in actions
    )


def _deletions(
    doomed: list[tuple[Address, Recorded, Observed | None]], creations: tuple[Action, ...], salt: str
) -> tuple[Action, ...]:
    """Deletes come last for their service (its replacement runs first), and in tear-down order per region."""
    waves = max((a.wave for a in creations), default=0)
    made = [
        Action(
            id=action_id(Op.DELETE, address, None, past.resource, salt),
            op=Op.DELETE,
            address=address,
            desired=None,
            before=(seen.resource if seen else past.resource),
            service=past.service,
            site=past.site,
            wave=waves + 1 + _rank(address),
            reason="no longer part of the application",
        )
        for address, past, seen in doomed
    ]
    return tuple(
        replace(a, depends_on=tuple(sorted(_before_delete(a, made, creations))))
        for a in sorted(made, key=lambda a: (a.wave, a.address))
    )


def _rank(address: Address) -> int:
    if address.kind is Kind.KUBERNETES_OBJECT:
        return 1 if "/Namespace/" in f"/{address.name}" else 0
    return 1 + _TEARDOWN_RANK[address.kind]


def _before_delete(action: Action, doomed: list[Action], creations: tuple[Action, ...]) -> set[str]:
    place = (action.address.partition, action.address.account, action.address.region)
    earlier = {
        other.id
        for other in doomed
        if (other.address.partition, other.address.account, other.address.region) == place
        and _rank(other.address) < _rank(action.address)
    }
    if action.address.kind is Kind.KUBERNETES_OBJECT or action.address.kind is Kind.INSTANCE:
        earlier |= {c.id for c in creations if c.service and c.service == action.service}
    else:
        # Nodes go only when everything that may have moved away from them runs elsewhere.
        earlier |= {c.id for c in creations if c.address.kind in (Kind.KUBERNETES_OBJECT, Kind.INSTANCE)}
    return earlier
