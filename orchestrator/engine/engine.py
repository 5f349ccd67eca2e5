"""The engine: executes a plan under a lease. Callers: release flow (deploy, resume, rollback, destroy), drift (mend).

    with Engine(store, targets, clock, events) as engine:
        outcome = engine.execute(plan, revision.number, keeper, cancelled)

After kill -9, call execute again with the same plan and revision under a new lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from model.plan import Plan
from model.ports import Clock, Event, EventSink
from model.resources import Address
from orchestrator.engine.driver import Driver
from orchestrator.engine.journal import Journal
from orchestrator.engine.options import EngineOptions
from orchestrator.engine.outcome import Outcome
from orchestrator.store.keeper import LeaseKeeper
from orchestrator.store.store import Store
from orchestrator.store.values import Scope
from providers.base import Provider

Targets = Callable[[Address], Provider]


def _keep_target(_address: Address) -> None:
    """Nothing to forget."""


class Engine:
    """One per process, around any number of executions, also at once for different scopes."""

    def __init__(
        self,
        store: Store,
        targets: Targets,
        clock: Clock,
        events: EventSink,
        options: EngineOptions | None = None,
        *,
        forget_target: Callable[[Address], None] = _keep_target,
    ) -> None:
        """targets: the provider that serves an address. forget_target: told of a cluster that was deleted."""
        self._store = store
        self._targets = targets
        self._clock = clock
        self._events = _OneAtATime(events)
        self._options = options or EngineOptions()
        self._forget_target = forget_target
        self._journal = Journal(store.db)

    def __enter__(self) -> Engine:
        self._journal.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._journal.__exit__(exc_type, exc, tb)

    def execute(
        self,
        plan: Plan,
        revision: int,
        keeper: LeaseKeeper,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        options: EngineOptions | None = None,
    ) -> Outcome:
        """Carries out the plan's actions, each as soon as all that it depends on is done.

        What this revision has finished before is not begun again. cancelled: asked every tick; True stops. A failure
        of an action is in the outcome, not raised. Raises ValueError for a plan whose actions cannot be ordered, and
        StoreUnavailable where the journal cannot be read.
        """
        return Driver(
            plan=plan,
            revision=revision,
            keeper=keeper,
            cancelled=cancelled,
            store=self._store,
            targets=self._targets,
            forget_target=self._forget_target,
            clock=self._clock,
            events=self._events,
            options=options or self._options,
            journal=self._journal,
        ).drive()

    def begun(self, plan: Plan, revision: int) -> frozenset[str]:
        """Ids of the actions that this revision has begun before, however they ended. Raises StoreUnavailable."""
        return frozenset(self._journal.past(f"{Scope.of(plan)}/{revision}/"))

    def forget_journal(self, scope: Scope, revision: int) -> int:
        """Removes the journal of a revision that is over and will not be resumed; returns how many attempts it held."""
        return self._journal.forget(f"{scope}/{revision}/")


class _OneAtATime:
    """Events come from many threads; a sink gets them one by one."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        with self._lock:
            self._sink.emit(event)


__all__ = ["Engine", "EngineOptions", "Outcome", "Targets"]
