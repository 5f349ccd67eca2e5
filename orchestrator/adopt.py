"""Taking what exists into an application's inventory, and giving it back. Nothing of the resource is touched.

Callers: cli.adopting. Everything is looked at first, and where one address is refused none is recorded. What is adopted
is compared by drift and brought to the files by deploy, where they name it; destroy leaves it alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from model.errors import Diagnostic, InvalidInput, InvalidRequest, NotFound, UsageError
from model.resources import Address, Kind, Observed, Ownership, State
from orchestrator import adopt_objects
from orchestrator.leasing import leased
from orchestrator.planning import Context
from orchestrator.registry import terraform_prefix
from orchestrator.store import LeaseKeeper, Record
from orchestrator.terraform_state import States
from providers.base import Call


@dataclass(frozen=True, slots=True)
class Adoption:
    """One address and what became of it: adopted, or known (it was adopted before)."""

    address: Address
    provider_id: str
    outcome: str

    def to_dict(self) -> dict[str, Any]:
        return {"address": str(self.address), "provider_id": self.provider_id, "outcome": self.outcome}


def addresses(texts: Iterable[str]) -> tuple[Address, ...]:
    """Raises UsageError for what is no address."""
    found = []
    for text in texts:
        try:
            found.append(Address.parse(text))
        except ValueError as exc:
            mend = "take it from `duoyun survey`; it reads partition/account/region/kind/name"
            raise UsageError(f"{text!r} is no address: {exc}", mend=mend) from exc
    return tuple(dict.fromkeys(found))


def _leased(context: Context, wait_s: float) -> AbstractContextManager[LeaseKeeper]:
    ttl_s = context.loaded.fleet.spec.state.lease
    return leased(context.store, context.scope, context.store.db.clock, ttl_s=ttl_s, wait_s=wait_s)


def adopt(context: Context, wanted: Iterable[Address], *, lock_timeout_s: float = 0.0) -> tuple[Adoption, ...]:
    """Records each as adopted, all or none.

    Raises InvalidInput with every address that is refused and why, LeaseHeld, and what a cloud answers that cannot be
    reached: unknown is not absent.
    """
    scope, store, states = context.scope, context.store, context.states()
    with _leased(context, lock_timeout_s) as keeper:
        records = {r.address: r for r in store.inventory.list(scope)}
        refused: list[Diagnostic] = []
        fresh: list[tuple[Address, Observed]] = []
        told: list[Adoption] = []
        for address in wanted:
            known = records.get(address)
            if known is not None and known.ownership is Ownership.ADOPT:
                told.append(Adoption(address, known.provider_id, "known"))
                continue
            seen, why = _look(context, address, records, states)
            if why is not None or seen is None:
                refused += [why] if why else []
                continue
            fresh.append((address, seen))
            told.append(Adoption(address, seen.provider_id, "adopted"))
        if refused:
            raise InvalidInput(refused, summary=f"{len(refused)} of these cannot be adopted, so none was")
        revision = store.revisions.latest_number(scope)
        for address, seen in fresh:
            kept = adopt_objects.as_it_is(seen) if address.kind is Kind.KUBERNETES_OBJECT else seen.resource
            record = Record.live(address, seen, kept, revision=revision, ownership=Ownership.ADOPT)
            keeper.guard()
            store.inventory.put(scope, keeper.token, record)
    return tuple(told)


def release(context: Context, wanted: Sequence[Address], *, lock_timeout_s: float = 0.0) -> tuple[Adoption, ...]:
    """Forgets what was adopted. Raises InvalidInput for what was not: what we made is destroyed, not forgotten."""
    scope, store = context.scope, context.store
    with _leased(context, lock_timeout_s) as keeper:
        records = {r.address: r for r in store.inventory.list(scope)}
        found = [records.get(address) for address in wanted]
        refused = [
            Diagnostic("", f"{address} is not adopted", "see `duoyun survey`; what duoyun made goes with `destroy`")
            for address, record in zip(wanted, found, strict=True)
            if record is None or record.ownership is not Ownership.ADOPT
        ]
        if refused:
            raise InvalidInput(refused, summary="only what was adopted can be given back")
        revision = store.revisions.latest_number(scope)
        for record in found:
            assert record is not None
            keeper.guard()
            store.inventory.remove(scope, keeper.token, record.address, revision=revision)
    return tuple(Adoption(r.address, r.provider_id, "released") for r in found if r is not None)


def _look(
    context: Context, address: Address, records: Mapping[Address, Record], states: States
) -> tuple[Observed | None, Diagnostic | None]:
    """What is there, or why it cannot be adopted."""
    account = next(
        (
            a
            for a in context.loaded.fleet.spec.accounts
            if (a.partition, a.account_id) == (address.partition, address.account)
        ),
        None,
    )
    if account is None:
        return None, Diagnostic("", f"{address}: the fleet has no such account", "add it to the fleet's accounts")
    try:
        seen = _find(context, address)
    except NotFound:
        return None, Diagnostic("", f"{address} is not there", "take the address from `duoyun survey`")
    except InvalidRequest as exc:  # no name of an object, or one of a kind that is never read
        return None, Diagnostic("", f"{address}: {exc.summary}", exc.mend)
    return seen, _refusal(context, address, seen, records, states, terraform_prefix(account.cloud))


def _find(context: Context, address: Address) -> Observed:
    """Ours or nobody's; where there is no such thing, another fleet's of that name, so that it can be told whose."""
    deadline_s = time.monotonic() + context.timeout_s
    call = Call(deadline_s=deadline_s, fleet=context.scope.fleet, cancelled=context.cancelled)
    provider = context.targets(address)
    try:
        return provider.get(address, call)
    except NotFound:
        return provider.get(address, replace(call, fleet=""))


def _refusal(
    context: Context,
    address: Address,
    seen: Observed,
    records: Mapping[Address, Record],
    states: States,
    prefix: str,
) -> Diagnostic | None:
    managed = states.manager_of(seen, prefix)
    if managed is not None:
        what = f"{address} is managed by Terraform: {managed.address} in {managed.file}"
        return Diagnostic("", what, f"`terraform state rm '{managed.address}'` first, or leave it with `reference`")
    if seen.state is State.DELETING:
        return Diagnostic("", f"{address} is being deleted", "wait until it is gone")
    if seen.owner not in ("", context.scope.fleet):
        return Diagnostic("", f"{address} belongs to the fleet {seen.owner}", "destroy or release it there first")
    if address in records:
        return Diagnostic("", f"{address} is ours already: duoyun made it", "there is nothing to adopt")
    if address.kind is Kind.KUBERNETES_OBJECT and (why := adopt_objects.refusal(address, seen)) is not None:
        return why
    others = [owner for owner in context.store.inventory.owners(address) if owner != context.scope]
    if others:
        return Diagnostic("", f"{address} is in the inventory of {others[0]}", "use it with `ownership: reference`")
    twin = next((r for r in records.values() if _same(r, address, seen)), None)
    if twin is not None:
        return Diagnostic("", f"{address} is {twin.address}, which is in the inventory", "use that address")
    return None


def _same(record: Record, address: Address, seen: Observed) -> bool:
    """Whether a record is of the same thing under another name."""
    return bool(seen.provider_id) and record.provider_id == seen.provider_id and record.address.kind is address.kind
