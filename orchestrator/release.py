"""A release from plan to verdict: gate, execute, record; and, where it fails, the way back.

Callers: the deploy, rollback, resume, destroy and drift commands, and the demo. Whoever runs one holds the lease.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from model.errors import (
    DeniedByPolicy,
    DuoyunError,
    Interrupted,
    InvalidInput,
    LeaseHeld,
    PlanStale,
    ReleaseFailed,
    ReleaseRolledBack,
)
from model.plan import Action, GateReport, Op, Plan, Revision, RevisionState
from model.ports import Clock, Event, EventSink
from model.resources import Address, Kind
from orchestrator.engine.engine import Engine
from orchestrator.engine.options import EngineOptions
from orchestrator.engine.outcome import ActionState, Outcome
from orchestrator.planning import Context, Planned, plan_for, plan_of_revision
from orchestrator.store import Lease, LeaseKeeper, Scope, Store


@dataclass(frozen=True, slots=True)
class Released:
    """How a release ended well."""

    revision: Revision
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Runner:
    """What executing needs beyond planning. on_phase: told of each plan before it is executed, for a live view."""

    context: Context
    engine: Engine
    keeper: LeaseKeeper
    clock: Clock
    events: EventSink
    actor: str
    options: EngineOptions = field(default_factory=EngineOptions)
    on_phase: Callable[[str, Plan], None] = lambda _title, _plan: None

    @property
    def store(self) -> Store:
        return self.context.store

    @property
    def scope(self) -> Scope:
        return self.context.scope

    def tell(self, kind: str, text: str, **data: Any) -> None:
        self.events.emit(Event(kind, self.clock.now_s(), {"text": text, **data}))


# -- the lease -------------------------------------------------------------------------------------------------


def whoami() -> str:
    """Who asks, for leases and audit: `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def holder() -> str:
    """This process as a lease holder. Its start time tells it from a later process with the same number."""
    return f"{whoami()} pid {os.getpid()} start {_start_ticks(os.getpid())}"


def _start_ticks(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "?"


def _died_here(text: str) -> bool:
    """Whether a lease's holder was a process of this machine that is gone: then nobody can be working under it."""
    words = text.split()
    if len(words) != 5 or words[0] != whoami() or not words[2].isdigit() or words[4] == "?":
        return False
    return _start_ticks(int(words[2])) != words[4]


@contextmanager
def leased(store: Store, scope: Scope, clock: Clock, *, ttl_s: float, wait_s: float = 0.0) -> Iterator[LeaseKeeper]:
    """The application's lease, kept until the block ends. Raises LeaseHeld after wait_s.

    A lease whose holder was a process of this machine that has died is taken at once, and the audit says so.
    """
    deadline = clock.monotonic_s() + wait_s
    while True:
        try:
            lease = _acquire(store, scope, ttl_s)
            break
        except LeaseHeld:
            left = deadline - clock.monotonic_s()
            if left <= 0:
                raise
            clock.sleep(min(1.0, left))
    with LeaseKeeper(store.leases, lease, clock) as keeper:
        yield keeper


def _acquire(store: Store, scope: Scope, ttl_s: float) -> Lease:
    try:
        return store.leases.acquire(scope, holder(), ttl_s)
    except LeaseHeld:
        current = store.leases.current(scope)
        if current is None or not _died_here(current.holder):
            raise
        store.leases.unlock(scope, f"{whoami()}: holder {current.holder} has died")
        return store.leases.acquire(scope, holder(), ttl_s)


# -- running a plan --------------------------------------------------------------------------------------------


def require_gate(report: GateReport | None) -> None:
    """Raises DeniedByPolicy with every finding that denies."""
    if report is None or report.passed:
        return
    stages = [name for name, passed in report.stages.items() if not passed]
    rows = [
        f"{f.rule_id} {f.severity.name.lower()}: {f.address}: {f.message}" + (f" (mend: {f.mend})" if f.mend else "")
        for f in sorted(report.findings, key=lambda f: (-f.severity, f.rule_id, f.address))
        if not f.waived_by
    ]
    raise DeniedByPolicy(
        f"refused by the gate, stage {', '.join(stages)}: nothing was touched",
        detail="\n".join(rows[:50]),
        mend="change what the findings name, or waive a rule with reason, owner and expiry in the fleet's waivers file",
    )


def release(runner: Runner, planned: Planned, *, message: str = "", auto_rollback: bool = True) -> Released:
    """Executes a plan that a person has seen.

    Raises PlanStale, DeniedByPolicy, Unreachable before anything is touched; ReleaseRolledBack, ReleaseFailed or
    Interrupted afterwards, with the evidence.
    """
    plan = planned.plan
    if runner.store.revisions.latest_number(runner.scope) != plan.base_revision:
        raise PlanStale(
            "the plan was made before the latest release of this application",
            detail=f"it was made against revision {plan.base_revision}; "
            f"the latest is {runner.store.revisions.latest_number(runner.scope)}",
            mend="make a new plan",
        )
    planned.require_observed()
    require_gate(plan.gate)
    revision = _start(runner, plan, message)
    return _finish(runner, plan, revision, auto_rollback=auto_rollback)


def resume(runner: Runner) -> Released:
    """Goes on with the release that was interrupted. Raises InvalidInput where there is none."""
    revision = runner.store.revisions.unfinished(runner.scope)
    if revision is None:
        raise InvalidInput((), summary=f"{runner.scope.application}: no release is unfinished, nothing to resume")
    plan = runner.store.plans.load(revision.plan_sha256)
    _set(runner, revision, RevisionState.RUNNING)
    return _finish(runner, plan, revision, auto_rollback=revision.rollback_of is None)


def _start(runner: Runner, plan: Plan, message: str, rollback_of: int | None = None) -> Revision:
    sha256 = runner.store.plans.save(plan)
    return runner.store.revisions.start(
        runner.scope,
        runner.keeper.token,
        plan_sha256=sha256,
        actor=runner.actor,
        message=message,
        images=images_of(plan.app),
        rollback_of=rollback_of,
    )


def images_of(app: Mapping[str, Any]) -> dict[str, str]:
    """Service -> image, from the recorded application document."""
    services = app.get("spec", {}).get("services", ())
    return {s["name"]: s["image"] for s in services}


def _finish(runner: Runner, plan: Plan, revision: Revision, *, auto_rollback: bool) -> Released:
    began = time.monotonic()
    title = f"{plan.application} revision {revision.number}"
    runner.on_phase(title + (f", rolling back {revision.rollback_of}" if revision.rollback_of else ""), plan)
    # A destroy and a roll-back go on past a failure: each thing that can be put right is worth it by itself.
    keep_going = not plan.items or revision.rollback_of is not None
    outcome = _execute(runner, plan, revision, keep_going=keep_going)
    if outcome.interrupted:
        _set(runner, revision, RevisionState.INTERRUPTED)
        raise Interrupted(
            f"{title} was interrupted: {len(outcome.of(ActionState.DONE))} of {len(plan.actions)} actions are done",
            mend="`duoyun resume` goes on; `duoyun deploy` makes a new plan from here",
        )
    if outcome.ok:
        state = RevisionState.DEPLOYED if plan.items else RevisionState.DESTROYED
        _set(runner, revision, state)
        if revision.rollback_of is not None:
            _set_number(runner, revision.rollback_of, RevisionState.ROLLED_BACK)
        runner.tell("release_done", f"{title} is {state.value}")
        done = runner.store.revisions.get(runner.scope, revision.number)
        return Released(done, outcome, time.monotonic() - began)
    _set(runner, revision, RevisionState.FAILED)
    if not auto_rollback or not plan.items:
        raise _failed(plan, title, outcome, "nothing was rolled back")
    return _roll_back(runner, plan, revision, outcome, title)


def _set(runner: Runner, revision: Revision, state: RevisionState) -> None:
    _set_number(runner, revision.number, state)


def _set_number(runner: Runner, number: int, state: RevisionState) -> None:
    runner.store.revisions.set_state(runner.scope, runner.keeper.token, number, state, actor=runner.actor)


def _failed(plan: Plan, title: str, outcome: Outcome, tail: str, mend: str = "") -> ReleaseFailed:
    return ReleaseFailed(
        f"{title} failed; {tail}",
        detail=evidence(plan, outcome),
        mend=mend or "`duoyun status` shows what is where; mend the cause and deploy again, or `duoyun rollback`",
    )


def evidence(plan: Plan, outcome: Outcome) -> str:
    """What failed and why, an action a paragraph."""
    addresses = {a.id: a.address for a in plan.actions}
    rows = []
    for result in outcome.of(ActionState.FAILED):
        error = result.error or {}
        rows.append(f"{addresses[result.id]}: {error.get('summary', 'failed')}")
        rows += [f"  {line}" for line in str(error.get("detail", "")).splitlines()[:8]]
        if error.get("mend"):
            rows.append(f"  mend: {error['mend']}")
    return "\n".join(rows)


def _execute(runner: Runner, plan: Plan, revision: Revision, *, keep_going: bool) -> Outcome:
    options = replace(runner.options, keep_going=keep_going)
    outcome = runner.engine.execute(plan, revision.number, runner.keeper, runner.context.cancelled, options=options)
    if outcome.lease_lost is not None:
        # Whoever holds the lease now decides what becomes of this revision; we may not even write that we stopped.
        raise outcome.lease_lost
    return outcome


# -- the way back ----------------------------------------------------------------------------------------------


def _roll_back(runner: Runner, plan: Plan, failed: Revision, outcome: Outcome, title: str) -> Released:
    runner.tell("rollback_started", f"{title} failed: {_first_line(plan, outcome)}; rolling back what it changed")
    stuck = _one_way(plan, outcome)
    if stuck:
        raise _failed(
            plan,
            title,
            outcome,
            f"not rolled back: {', '.join(stuck)} went past a one-way step",
            "mend the cause and deploy forward: a one-way step cannot be undone",
        )
    previous = runner.store.revisions.latest_deployed(runner.scope)
    try:
        planned = plan_of_revision(runner.context, previous.number) if previous else _undo_first(runner, plan)
        planned.require_observed()
        back = replace(planned.plan, actions=backwards(planned.plan.actions))
        revision = _start(runner, back, f"rolls back revision {failed.number}", rollback_of=failed.number)
        runner.on_phase(f"{title}: rolling back", back)
        undone = _execute(runner, back, revision, keep_going=True)
    except DuoyunError as exc:
        raise _failed(plan, title, outcome, f"and the roll-back did not start: {exc.summary}", exc.mend) from exc
    if undone.interrupted:
        _set(runner, revision, RevisionState.INTERRUPTED)
        raise Interrupted(f"{title} failed; its roll-back was interrupted", mend="`duoyun resume` goes on with it")
    if not undone.ok:
        _set(runner, revision, RevisionState.FAILED)
        raise _failed(plan, title, outcome, f"and its roll-back failed as well:\n{evidence(back, undone)}")
    _set(runner, revision, RevisionState.DEPLOYED if previous else RevisionState.DESTROYED)
    _set(runner, failed, RevisionState.ROLLED_BACK)
    runner.tell("rollback_done", f"{title} is rolled back")
    where = f"revision {previous.number} is in place again" if previous else _kept(planned.plan)
    raise ReleaseRolledBack(
        f"{title} failed and was rolled back: {where}",
        detail=evidence(plan, outcome),
        mend="mend the cause named above and deploy again",
    )


def _first_line(plan: Plan, outcome: Outcome) -> str:
    addresses = {a.id: a.address for a in plan.actions}
    for result in outcome.of(ActionState.FAILED):
        return f"{addresses[result.id].name.rsplit('/', 1)[-1]}: {(result.error or {}).get('summary', 'failed')}"
    return "no action says why"


def _one_way(plan: Plan, outcome: Outcome) -> tuple[str, ...]:
    services = {s["name"]: s for s in plan.app["spec"]["services"]}
    passed = {
        a.service for a in plan.actions if a.op is not Op.ADOPT and outcome.actions[a.id].state is ActionState.DONE
    }
    return tuple(sorted(s for s in passed if s in services and services[s].get("rollout", {}).get("one_way")))


def _undo_first(runner: Runner, plan: Plan) -> Planned:
    """There is no revision to go back to: workloads and instances go, infrastructure stays (ADR 3)."""
    workloads = (Kind.KUBERNETES_OBJECT, Kind.INSTANCE)
    kept = tuple(i for i in plan.items if i.address.kind not in workloads)
    recorded = {r.address for r in runner.store.inventory.list(runner.scope)}
    kept = tuple(i for i in kept if i.address in recorded)
    return plan_for(runner.context, kept, plan.placement, app=plan.app, app_sha256=plan.app_sha256)


def _kept(plan: Plan) -> str:
    cost = plan.placement.cost
    pools = [i for i in plan.items if i.address.kind is Kind.NODE_POOL]
    if not pools:
        return "its workloads are gone"
    return (
        f"its workloads are gone; {len(pools)} node pools stay for the next try and cost up to "
        f"{cost.compute_per_hour:.2f} {cost.currency} per hour (`duoyun destroy` removes them)"
    )


def backwards(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Updates of Deployments in reverse dependency order: callers go back before what they call. Pure.

    Only where the workloads' actions are updates throughout; what has to be created again needs its callees first.
    """
    rollouts = {a.id: a for a in actions if _is_rollout(a.address)}
    if any(a.op is not Op.UPDATE for a in rollouts.values()):
        return actions
    inverted: dict[str, set[str]] = {a.id: set(a.depends_on) for a in actions}
    for action in rollouts.values():
        for other in action.depends_on:
            if other in rollouts and rollouts[other].service != action.service:
                inverted[action.id].discard(other)
                inverted[other].add(action.id)
    return tuple(replace(a, depends_on=tuple(sorted(inverted[a.id]))) for a in actions)


def _is_rollout(address: Address) -> bool:
    return address.kind is Kind.KUBERNETES_OBJECT and "/Deployment/" in address.name
