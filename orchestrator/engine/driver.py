"""One execution of one plan: starts what may start, waits, stops, and says what came of it. Callers: Engine.execute.

A plain loop that can be run again at any time: what to do follows from the plan and the journal alone. Actions run in
threads of their own, so that a call that hangs past a stop can be left behind without keeping the process alive.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from model import rng
from model.errors import DuoyunError, Interrupted, LeaseLost, StoreUnavailable
from model.plan import Action, Plan
from model.ports import Clock, Event, EventSink
from model.resources import Address, Kind, KubernetesObject, Ownership
from orchestrator.engine.actions import Work
from orchestrator.engine.dag import Frontier, order
from orchestrator.engine.journal import Journal, Past
from orchestrator.engine.options import ROLLOUT_KINDS, EngineOptions
from orchestrator.engine.outcome import ActionOutcome, ActionState, Outcome
from orchestrator.store.keeper import LeaseKeeper
from orchestrator.store.store import Store
from orchestrator.store.values import Scope
from providers.base import Call, Provider

# Rough usual durations, in seconds: they only decide what is started first where not all can be at once.
_USUAL_S: Mapping[Kind, float] = {
    Kind.NETWORK: 5.0,
    Kind.SUBNET: 5.0,
    Kind.FIREWALL_GROUP: 5.0,
    Kind.CLUSTER: 600.0,
    Kind.NODE_POOL: 180.0,
    Kind.INSTANCE: 60.0,
    Kind.KUBERNETES_OBJECT: 0.2,
}
_WORKLOAD_S = 15.0
_LOAD_BALANCER_S = 160.0  # model.facts.operation_latency: ALB and NLB

LOST_GRACE_S = 2.0


def usual_s(action: Action) -> float:
    """How long such an action usually takes, roughly."""
    desired = action.desired
    if isinstance(desired, KubernetesObject):
        if desired.manifest.get("kind") in ROLLOUT_KINDS:
            return _WORKLOAD_S
        if (desired.manifest.get("spec") or {}).get("type") == "LoadBalancer":
            return _LOAD_BALANCER_S
    return _USUAL_S[action.address.kind]


class UnexpectedError(DuoyunError):
    """A mistake in duoyun itself, or in a library: detail holds where."""


@dataclass(frozen=True, slots=True)
class _End:
    """What a worker thread reports. error is None where the action is done."""

    outcome: ActionOutcome
    error: DuoyunError | None


@dataclass(kw_only=True)
class Driver:
    """See Engine.execute. drive() once per instance."""

    plan: Plan
    revision: int
    keeper: LeaseKeeper
    cancelled: Callable[[], bool]
    store: Store
    targets: Callable[[Address], Provider]
    forget_target: Callable[[Address], None]
    clock: Clock
    events: EventSink
    options: EngineOptions
    journal: Journal
    _ends: queue.SimpleQueue[_End] = field(default_factory=queue.SimpleQueue)
    _stop: threading.Event = field(default_factory=threading.Event)
    _outcomes: dict[str, ActionOutcome] = field(default_factory=dict)
    _errors: list[DuoyunError] = field(default_factory=list)
    _first_failed: str = ""
    _stopped_at_s: float | None = None
    _past: dict[str, Past] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scope = Scope.of(self.plan)
        self._prefix = f"{self._scope}/{self.revision}/"
        self._actions = {a.id: a for a in self.plan.actions}
        if len(self._actions) < len(self.plan.actions):
            raise ValueError("the plan holds two actions of one id")
        self._depends = {a.id: a.depends_on for a in self.plan.actions}
        self._frontier = Frontier(self._depends, lambda i: usual_s(self._actions[i]))
        self._ownership = {i.address: i.ownership for i in self.plan.items}

    def drive(self) -> Outcome:
        began_s = self.clock.monotonic_s()
        self._recall()
        while True:
            try:
                self._look_around()
                if self._stopped_at_s is None and not self._halted:
                    self._start_ready()
                if not self._frontier.running or self._out_of_patience():
                    break
                self._wait()
            except KeyboardInterrupt:
                if self._stopped_at_s is not None:
                    raise
                self._halt()
        self._leave_rest()
        return Outcome(
            actions={i: self._outcomes[i] for i in self._actions},
            seconds=self.clock.monotonic_s() - began_s,
            interrupted=self._stopped_at_s is not None
            and any(o.state is ActionState.CANCELLED for o in self._outcomes.values()),
            lease_lost=self.keeper.lost,
            errors=tuple(self._errors),
        )

    # -- before and after --------------------------------------------------------------------------------------

    def _recall(self) -> None:
        """Takes over what earlier runs of this revision have finished, and ends what they left under way."""
        self.keeper.guard()
        self.journal.abandon(self._prefix)
        self._past = self.journal.past(self._prefix)
        for action_id in order(self._depends):
            past = self._past.get(action_id)
            if past is None or past.answer is None or not self._frontier.is_ready(action_id):
                continue
            self._frontier.start(action_id)
            self._frontier.done(action_id)
            self._end(
                ActionOutcome(
                    id=action_id, state=ActionState.DONE, attempt=past.attempts, journaled=True, result=past.answer
                )
            )

    def _leave_rest(self) -> None:
        """Says of everything that has no end yet why it has none."""
        for action_id in self._frontier.running:
            why = "still under way when we stopped waiting for it; its end is unknown"
            self._end(
                ActionOutcome(id=action_id, state=ActionState.CANCELLED, attempt=self._attempt(action_id), why=why)
            )
        for action_id in self._frontier.unstarted:
            if self._stopped_at_s is None:
                failed = self._actions[self._first_failed]
                why = f"not begun: {failed.op} {failed.address} had failed"
                outcome = ActionOutcome(id=action_id, state=ActionState.SKIPPED, because=failed.id, why=why)
            else:
                why = "not begun: the lease was lost" if self.keeper.lost else "not begun: stopped on request"
                outcome = ActionOutcome(id=action_id, state=ActionState.CANCELLED, why=why)
            self._end(outcome)

    # -- the loop's parts --------------------------------------------------------------------------------------

    @property
    def _halted(self) -> bool:
        """A failure lets nothing new begin, unless the rest is to go on."""
        return bool(self._first_failed) and not self.options.keep_going

    def _look_around(self) -> None:
        if self._stopped_at_s is None and (self.keeper.lost is not None or self.cancelled()):
            self._halt()

    def _halt(self) -> None:
        self._stopped_at_s = self.clock.monotonic_s()
        self._stop.set()

    def _out_of_patience(self) -> bool:
        if self._stopped_at_s is None:
            return False
        # Nothing that still runs may write any more once the lease is lost: there is little to wait for.
        grace_s = min(LOST_GRACE_S, self.options.stop_grace_s) if self.keeper.lost else self.options.stop_grace_s
        return self.clock.monotonic_s() - self._stopped_at_s >= grace_s

    def _start_ready(self) -> None:
        room = self.options.parallelism - len(self._frontier.running)
        for action_id in self._frontier.ready(max(0, room)):
            self._frontier.start(action_id)
            action = self._actions[action_id]
            self._tell("action_started", action, attempt=self._attempt(action_id))
            threading.Thread(target=self._run, args=(action,), name=f"action {action_id}", daemon=True).start()

    def _wait(self) -> None:
        """Until one action ended, or a tick is over."""
        try:
            end = self._ends.get(timeout=self.options.tick_s)
        except queue.Empty:
            return
        action_id = end.outcome.id
        if end.outcome.state is ActionState.DONE:
            self._frontier.done(action_id)
            self._end(end.outcome)
            return
        if end.outcome.state is ActionState.CANCELLED:
            # Its dependants are left as not begun: a resume goes on with all of them.
            self._end(end.outcome)
            if self._stopped_at_s is None:
                self._halt()
            self._forget_running(action_id)
            return
        if end.error is not None:
            self._errors.append(end.error)
        self._first_failed = self._first_failed or action_id
        skipped = self._frontier.failed(action_id)
        self._end(end.outcome)
        action = self._actions[action_id]
        for other in skipped:
            why = f"not begun: it depends on {action.op} {action.address}, which failed"
            self._end(ActionOutcome(id=other, state=ActionState.SKIPPED, because=action_id, why=why))

    def _forget_running(self, action_id: str) -> None:
        """Takes a cancelled action off what runs, and its dependants with it, without calling them skipped."""
        for other in self._frontier.failed(action_id):
            why = "not begun: the lease was lost" if self.keeper.lost else "not begun: stopped on request"
            self._end(ActionOutcome(id=other, state=ActionState.CANCELLED, why=why))

    # -- one action, in its own thread -------------------------------------------------------------------------

    def _run(self, action: Action) -> None:
        began_s = self.clock.monotonic_s()
        attempt = self._attempt(action.id)
        outcome = ActionOutcome(id=action.id, state=ActionState.DONE, attempt=attempt)
        error: DuoyunError | None = None
        try:
            workflow_id = f"{self._prefix}{action.id}/{self.keeper.token}.{attempt}"
            answer = self.journal.run(workflow_id, action.id, self._work(action).perform)
            outcome = replace(outcome, result=answer)
        except DuoyunError as exc:
            error = exc
        except BaseException as exc:  # noqa: BLE001  (DBOS raises some that are no Exception; a thread has no caller)
            error = self._unexpected(action, exc)
        if isinstance(error, LeaseLost):
            self.keeper.give_up(error)
        if error is not None:
            stopped = isinstance(error, Interrupted | LeaseLost) or self.keeper.lost is not None
            state = ActionState.CANCELLED if stopped else ActionState.FAILED
            outcome = replace(outcome, state=state, error=error.to_dict(), why=error.summary)
            if not stopped:
                # That a failure could not be counted must not hide the failure.
                with suppress(StoreUnavailable):
                    self.store.inventory.not_observed(self._scope, action.address)
        self.options.checkpoint(f"after {action.id}")
        self._ends.put(_End(replace(outcome, seconds=self.clock.monotonic_s() - began_s), error))

    def _work(self, action: Action) -> Work:
        def stopped() -> bool:
            return self._stop.is_set() or self.cancelled()

        def progress(line: str) -> None:
            self._tell("action_progress", action, line=line)

        return Work(
            action=action,
            scope=self._scope,
            revision=self.revision,
            token=self.keeper.token,
            ownership=self._ownership.get(action.address, Ownership.OWN),
            store=self.store,
            targets=self.targets,
            forget_target=self.forget_target,
            clock=self.clock,
            options=self.options,
            call=Call(
                deadline_s=self.clock.monotonic_s() + self.options.timeout_s(action),
                # Equal content has an equal action id in every revision and every store, but a cloud remembers an
                # idempotency token longer than the resource: one made, deleted and made again, or made from a new
                # state, needs a token of its own. The plan's time is recorded with it, so a resume has the same.
                key=f"{action.id}-{self.revision}-{round(self.plan.created_at_s * 1000):x}",
                fleet=self.plan.fleet,
                guard=self.keeper.guard,
                cancelled=stopped,
                progress=progress,
            ),
            rng=rng.stream(self._prefix, action.id, self.keeper.token),
        )

    def _unexpected(self, action: Action, exc: BaseException) -> DuoyunError:
        error = UnexpectedError(
            f"{action.op} {action.address}: {type(exc).__name__}: {exc}",
            detail="".join(traceback.format_exception(exc, limit=-6)),
            mend="this is a mistake in duoyun: please report it with the detail above",
            address=str(action.address),
        )
        error.__cause__ = exc
        return error

    # -- telling -----------------------------------------------------------------------------------------------

    def _attempt(self, action_id: str) -> int:
        past = self._past.get(action_id)
        return (past.attempts if past else 0) + 1

    def _end(self, outcome: ActionOutcome) -> None:
        self._outcomes[outcome.id] = outcome
        more: dict[str, Any] = {"seconds": round(outcome.seconds, 3)}
        if outcome.journaled:
            more["journaled"] = True
        if outcome.error is not None:
            more["error"] = dict(outcome.error)
        if outcome.why:
            more["why"] = outcome.why
        if outcome.because:
            more["because"] = outcome.because
        self._tell(f"action_{outcome.state}", self._actions[outcome.id], **more)

    def _tell(self, kind: str, action: Action, **more: Any) -> None:
        known = {
            "action": action.id, "op": str(action.op), "address": str(action.address), "service": action.service,
            "site": action.site, "wave": action.wave, "revision": self.revision,
        }  # fmt: skip
        self.events.emit(Event(kind, self.clock.now_s(), known | more))
