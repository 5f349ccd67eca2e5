"""One action against one provider, as a row of steps that may be begun again at any point.

Callers: the driver. Knows no DBOS: what an action's parts are called matters to kill tests only. Raises model.errors
only.

- create: record `creating`; create; wait until ready, where the answer does not say that it is; record `live`.
- update: update what is there; wait as above; record `live`.
- adopt: wait until what is there is ready; record `live`.
- delete: record `deleting`; delete, again while something still uses it; wait until gone; forget the record.
- replace: delete, then create; a record in state `creating` or `live` under this action's id says that the first half
  is over, so that a second run does not delete what the first has already made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

from model.errors import Conflict, DependencyInUse, Interrupted, NotFound, PlanStale
from model.plan import Action, Op
from model.ports import Clock
from model.resources import Address, AnyResource, Kind, Observed, Ownership, State
from orchestrator.engine.options import EngineOptions, is_plain_object
from orchestrator.store.errors import StoreAway
from orchestrator.store.store import Store
from orchestrator.store.values import Record, RecordState, Scope
from providers.base import Call, Provider

T = TypeVar("T")

CANCEL_SLICE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An action and all that it takes to carry it out. call.deadline_s is the action's time limit."""

    action: Action
    scope: Scope
    revision: int
    token: int
    ownership: Ownership
    store: Store
    targets: Callable[[Address], Provider]
    forget_target: Callable[[Address], None]
    clock: Clock
    options: EngineOptions
    call: Call
    rng: Random

    def perform(self) -> dict[str, Any]:
        """Carries the action out. Returns what the journal keeps: provider id and whether anything was there."""
        match self.action.op:
            case Op.CREATE:
                return self._create()
            case Op.UPDATE:
                return self._update()
            case Op.ADOPT:
                return self._settle(self._desired())
            case Op.DELETE:
                return self._delete()
            case Op.REPLACE:
                return self._replace()

    # -- the five operations -----------------------------------------------------------------------------------

    def _create(self) -> dict[str, Any]:
        desired = self._desired()
        self._record("record creating", self._intent(RecordState.CREATING, desired, provider_id=""))
        made: list[Observed] = []

        def create(provider: Provider) -> dict[str, Any]:
            made.append(provider.create(self.action.address, desired, self.call))
            return _answer(made[0])

        self._cloud("create", create)
        return self._settle(desired, made[0])

    def _update(self) -> dict[str, Any]:
        desired = self._desired()
        known = self._known()
        if known is not None and not is_plain_object(desired):
            # Killed between the change and its readiness, the change is there and no plan would show it any more.
            # What was asked for before stays on record: the next plan still sees which fields were ours.
            self._record("record updating", replace(known, state=RecordState.UPDATING, **self._origin()))
        made: list[Observed] = []

        def update(provider: Provider) -> dict[str, Any]:
            try:
                observed = provider.get(self.action.address, self.call)
            except NotFound as exc:
                raise PlanStale(
                    f"{self.action.address} was there when the plan was made, and is gone now",
                    mend="plan again; the new plan creates it",
                    address=str(self.action.address),
                ) from exc
            made.append(provider.update(observed, desired, self.call))
            return _answer(made[0])

        self._cloud("update", update)
        return self._settle(desired, made[0])

    def _delete(self) -> dict[str, Any]:
        gone = self._take_down()

        def forget() -> None:
            self.store.inventory.remove(
                self.scope, self.token, self.action.address, revision=self.revision, action_id=self.action.id
            )

        self._within("forget", lambda: self._patiently(forget))
        return gone

    def _replace(self) -> dict[str, Any]:
        record = self._known()
        made_anew = (
            record is not None
            and record.state is not RecordState.DELETING
            and (record.action_id, record.revision) == (self.action.id, self.revision)
        )
        if not made_anew:
            self._take_down()
        return self._create()

    # -- their parts -------------------------------------------------------------------------------------------

    def _settle(self, desired: AnyResource, made: Observed | None = None) -> dict[str, Any]:
        """Waits until the resource is ready and records it as live. made: what the call that made it so has answered.

        A plain object of a cluster (an account, a policy) is ready as it is written, and the answer says so: asking
        again would be a third request for most of a release's actions.
        """
        seen: list[Observed] = []
        if made is not None and made.state is State.READY and is_plain_object(desired):
            self._record("record live", Record.live(self.action.address, made, desired, **self._origin()))
            return _answer(made)

        def wait(provider: Provider) -> dict[str, Any]:
            seen.append(provider.wait_ready(self.action.address, self.call))
            return _answer(seen[0])

        answer = self._cloud("wait until ready", wait)
        live = Record.live(self.action.address, seen[0], desired, **self._origin())
        self._record("record live", live)
        return answer

    def _take_down(self) -> dict[str, Any]:
        """Deletes what is there and waits until it is gone."""
        record = self._known()
        kept = record.desired if record is not None else self.action.before
        if kept is None:
            raise PlanStale(f"{self.action.address}: nothing is known of what should go", mend="plan again")
        provider_id = record.provider_id if record is not None else ""
        self._record("record deleting", self._intent(RecordState.DELETING, kept, provider_id=provider_id))
        answer = self._within("delete", lambda: self._delete_from_cloud(record))

        def wait() -> None:
            with suppress(NotFound):  # the cluster that it was in is gone as well
                self.targets(self.action.address).wait_gone(self.action.address, self.call)

        # Also where nothing was found: a run that died before may have left what lies around it, which goes last.
        self._within("wait until gone", wait)
        if self.action.address.kind is Kind.CLUSTER:
            self.forget_target(self.action.address)
        return answer

    def _delete_from_cloud(self, record: Record | None) -> dict[str, Any]:
        """Starts the deletion, again and again while something still uses it. found: whether anything was there."""
        attempt = 0
        while True:
            self._go_on()
            try:
                provider = self.targets(self.action.address)
                observed = provider.get(self.action.address, self.call)
                self._refuse_foreign(observed, record)
                if observed.state is not State.DELETING:
                    provider.delete(observed, self.call)
            except NotFound:
                # Gone already; or its cluster is, and everything in it with it.
                return {"found": False}
            except DependencyInUse as exc:
                attempt += 1
                self._back_off(attempt, exc)
                continue
            return {"found": True, "provider_id": observed.provider_id}

    def _refuse_foreign(self, observed: Observed, record: Record | None) -> None:
        """Whatever the plan says: what neither our records nor its own tags call ours is not deleted."""
        if observed.owner == self.scope.fleet:
            return
        if record is not None and record.ownership is not Ownership.REFERENCE:
            if record.provider_id == observed.provider_id:
                return
            raise Conflict(
                f"{self.action.address} is not the one that we know ({observed.provider_id}, ours was "
                f"{record.provider_id or 'never made'}): somebody else made it",
                mend="look at it; `ownership: adopt` in the fleet takes it over; or remove it and deploy again",
                address=str(self.action.address),
            )
        raise Conflict(
            f"{self.action.address} is not ours (owner {observed.owner or 'unknown'}): it is not deleted",
            mend="look at it; `ownership: adopt` in the fleet takes it over",
            address=str(self.action.address),
        )

    def _back_off(self, attempt: int, error: DependencyInUse | StoreAway) -> None:
        """Sleeps with full jitter, in slices. Raises error where the time limit comes first."""
        ceiling_s = min(self.options.retry_cap_s, self.options.retry_base_s * 2.0 ** min(attempt, 16))
        wait_s = self.rng.uniform(ceiling_s / 2.0, ceiling_s)
        if self.clock.monotonic_s() + wait_s >= self.call.deadline_s:
            raise error
        self.call.progress(f"{error.summary}; again in {wait_s:.1f} s")
        until_s = self.clock.monotonic_s() + wait_s
        while (left_s := until_s - self.clock.monotonic_s()) > 0:
            self._go_on()
            self.clock.sleep(min(CANCEL_SLICE_S, left_s))

    # -- steps -------------------------------------------------------------------------------------------------

    def _cloud(self, name: str, fn: Callable[[Provider], dict[str, Any]]) -> dict[str, Any]:
        return self._within(name, lambda: fn(self.targets(self.action.address)))

    def _record(self, name: str, record: Record) -> None:
        self._within(name, lambda: self._patiently(lambda: self.store.inventory.put(self.scope, self.token, record)))

    def _patiently(self, write: Callable[[], None]) -> None:
        """Repeats a write while the database is away: what was done in the cloud is not given up for a restart there.

        Ends with the database's error at the action's time limit, with LeaseLost as soon as the lease is over.
        """
        attempt = 0
        while True:
            try:
                return write()
            except StoreAway as exc:
                attempt += 1
                self._back_off(attempt, exc)

    def _within(self, name: str, fn: Callable[[], T]) -> T:
        """fn() between its checkpoints, where the lease and the user still allow it."""
        self.options.checkpoint(f"before {self.action.id}: {name}")
        self._go_on()
        answer = fn()
        self.options.checkpoint(f"after {self.action.id}: {name}")
        return answer

    def _go_on(self) -> None:
        """Raises LeaseLost or Interrupted where nothing more may be begun."""
        self.call.guard()
        if self.call.cancelled():
            raise Interrupted(f"{self.action.address}: stopped on request", mend="`duoyun resume` goes on from here")

    # -- records -----------------------------------------------------------------------------------------------

    def _desired(self) -> AnyResource:
        if self.action.desired is None:
            raise PlanStale(f"{self.action.id}: the plan does not say what {self.action.address} should be")
        return self.action.desired

    def _known(self) -> Record | None:
        return self.store.inventory.get(self.scope, self.action.address)

    def _intent(self, state: RecordState, resource: AnyResource, *, provider_id: str) -> Record:
        intent = Record(
            address=self.action.address, desired=resource, state=state, provider_id=provider_id, **self._origin()
        )
        known = self._known()
        if known is None:
            return intent
        # What status shows of the past stays until the action has made it untrue.
        return replace(
            intent, last_sync_at_s=known.last_sync_at_s, consecutive_failures=known.consecutive_failures,
            config_hash=known.config_hash, observed_hash=known.observed_hash,
        )  # fmt: skip

    def _origin(self) -> dict[str, Any]:
        return {
            "revision": self.revision,
            "action_id": self.action.id,
            "ownership": self.ownership,
            "service": self.action.service,
            "site": self.action.site,
        }


def _answer(observed: Observed) -> dict[str, Any]:
    """What the journal keeps of an observation: references, not the resource."""
    return {"provider_id": observed.provider_id, "state": str(observed.state)}
