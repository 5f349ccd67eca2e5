"""A release from plan to verdict: gate, execute, record; and, where it fails, the way back.

Callers: the deploy, rollback, resume, destroy and drift commands, and the demo. Whoever runs one holds the lease.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from model.errors import (
    DeniedByPolicy,
    DuoyunError,
    Forbidden,
    Interrupted,
    InvalidInput,
    LeaseLost,
    OtherExecutor,
    PlanStale,
    ReleaseFailed,
    ReleaseRolledBack,
    StoreUnavailable,
    Unauthenticated,
)
from model.plan import GateReport, Plan, Revision, RevisionState
from model.resources import Kind
from orchestrator.approvals.flow import require, settle
from orchestrator.beside import require_free
from orchestrator.carry_out import Failure, Runner, carry_out, evidence, execute
from orchestrator.engine.outcome import ActionState, Outcome
from orchestrator.metrics import require_well
from orchestrator.observe import World
from orchestrator.parts import same_here
from orchestrator.planning import Context, Planned, bound_now, current_plan, plan_for, plan_of_revision
from orchestrator.rollback import as_adopted, backwards, kept_cost, one_way_passed
from orchestrator.store.revisions import UNFINISHED
from policies.gate import DENIES_FROM

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Released:
    """How a release ended well."""

    revision: Revision
    outcome: Outcome
    seconds: float


# -- running a plan --------------------------------------------------------------------------------------------


def require_gate(report: GateReport | None) -> None:
    """Raises DeniedByPolicy with the findings that deny, and not with the many that do not."""
    if report is None or report.passed:
        return
    stages = [name for name, passed in report.stages.items() if not passed and name != "approval"]
    open_ = [f for f in report.findings if not f.waived_by and not f.approval]
    denying = [f for f in open_ if f.severity >= DENIES_FROM]
    rows = [
        f"{f.rule_id} {f.severity.name.lower()}: {f.address}: {f.message}" + (f"\n  mend: {f.mend}" if f.mend else "")
        for f in denying[:_SHOWN]
    ]
    if len(denying) > _SHOWN:
        rows.append(f"and {len(denying) - _SHOWN} more; `duoyun plan -o json` has them all")
    raise DeniedByPolicy(
        f"refused by the gate, stage {', '.join(stages)}: nothing was touched",
        detail="\n".join(rows),
        mend="change what the findings name, or waive a rule with reason, owner and expiry in the fleet's waivers file",
    )


def release(runner: Runner, planned: Planned, *, message: str = "", auto_rollback: bool = True) -> Released:
    """Executes a plan that a person has seen.

    Raises PlanStale, DeniedByPolicy, ApprovalPending, ApprovalRefused, InvalidInput (what a Terraform state manages)
    and Unreachable before anything is touched; ReleaseRolledBack, ReleaseFailed or Interrupted afterwards, with the
    evidence.
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
    asking = runner.context.asking
    runner = replace(runner, actor=require(asking, plan, actor=runner.actor, identity=runner.context.identity))
    settle(asking, plan, actor=runner.actor)
    _require_free(runner, plan, planned.world)  # a state may have been written since the plan was made
    planned.require_observed()
    require_well(plan)
    revision = _start(runner, plan, message)
    return _finish(runner, plan, revision, auto_rollback=auto_rollback)


def resume(runner: Runner) -> Released:
    """Goes on with the release that was interrupted. Raises InvalidInput where there is none, and as `release` does."""
    revision = runner.store.revisions.unfinished(runner.scope)
    if revision is None:
        raise InvalidInput(
            (),
            summary=f"{runner.scope.application}: no release is unfinished, nothing to resume",
            mend="`duoyun status` shows how the last one ended",
        )
    plan = runner.store.plans.load(revision.plan_sha256)
    _require_ours(runner.context, plan, revision)
    world = World()
    _require_free(runner, plan, world)
    Planned(plan, world).require_observed()
    _set(runner, revision, RevisionState.RUNNING)
    return _finish(runner, plan, revision, auto_rollback=revision.rollback_of is None)


def _require_ours(context: Context, plan: Plan, revision: Revision) -> None:
    """Raises OtherExecutor where the plan has something to do in a partition that this executor does not work for."""
    others = sorted({a.address.partition for a in plan.actions if not context.may(a.address.partition)})
    if others:
        raise OtherExecutor(
            f"revision {revision.number} has work in {', '.join(others)}, and this executor works for "
            f"{context.targets.executor} alone",
            mend="resume it on an executor for these; or `duoyun deploy` here makes a new plan of this executor's part",
        )


def _require_free(runner: Runner, plan: Plan, world: World) -> None:
    """Raises InvalidInput where a Terraform state manages what the plan touches; see beside."""
    records = runner.store.inventory.list(runner.scope)
    known = {r.address: r.provider_id for r in records if r.provider_id}
    require_free(runner.context, plan.actions, world, known)


def nothing_to_do(context: Context, planned: Planned) -> bool:
    """Whether the world is as the plan wants it, and the records say so.

    They do not where a process died after its last action and before its verdict, or where a release failed whose work
    was done (its journal could not be written): then a release without actions says what is in place.
    """
    if not planned.plan.empty:
        return False
    newest = context.store.revisions.latest(context.scope)
    if planned.plan.partitions and newest is not None and not part_is_recorded(context, planned.plan):
        return False  # other executors go by what the deployed revision says of our part
    if newest is None or newest.state in (RevisionState.DEPLOYED, RevisionState.DESTROYED):
        return True
    current = current_plan(context)
    if not planned.plan.items:
        return current is None and newest.state not in UNFINISHED
    return current is not None and current.app == planned.plan.app and newest.state not in UNFINISHED


def part_is_recorded(context: Context, plan: Plan) -> bool:
    """Whether the deployed revision says of this executor's partitions what the plan says."""
    current = current_plan(context)
    now, then = bound_now(context, plan.items), bound_now(context, current.items if current else ())
    return same_here(now, then, context.may)


def _start(runner: Runner, plan: Plan, message: str, rollback_of: int | None = None) -> Revision:
    sha256 = runner.store.plans.save(plan)
    if plan.partitions:  # `history` shows whose part it was
        message = f"{message} [{', '.join(plan.partitions)} alone]".strip()
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
    try:
        outcome, failure = carry_out(runner, plan, revision)
    except Interrupted:
        _set(runner, revision, RevisionState.INTERRUPTED)
        raise
    if outcome.interrupted:
        _set(runner, revision, RevisionState.INTERRUPTED)
        raise Interrupted(
            f"{title} was interrupted: {len(outcome.of(ActionState.DONE))} of {len(plan.actions)} actions are done",
            mend="`duoyun resume` goes on; `duoyun deploy` makes a new plan from here",
        )
    if failure is None:
        # A first release that was rolled back leaves infrastructure and no revision that is deployed.
        back = revision.rollback_of is not None
        nothing = not plan.items or (back and runner.store.revisions.latest_deployed(runner.scope) is None)
        state = RevisionState.DESTROYED if nothing else RevisionState.DEPLOYED
        _set(runner, revision, state)
        runner.tell("release_done", f"{title} is {state.value}")
        done = runner.store.revisions.get(runner.scope, revision.number)
        return Released(done, outcome, time.monotonic() - began)
    for error in outcome.errors:
        if isinstance(error, StoreUnavailable):
            raise _stopped_by_store(runner, revision, title, error)
    refused = _refused(outcome)
    if refused is not None:
        _set(runner, revision, RevisionState.FAILED)
        raise refused
    if not auto_rollback or not plan.own_items:
        _set(runner, revision, RevisionState.FAILED)
        raise _failed(title, failure, "nothing was rolled back")
    return _roll_back(runner, plan, revision, failure, outcome)


def _stopped_by_store(runner: Runner, revision: Revision, title: str, first: StoreUnavailable) -> DuoyunError:
    """A full disk under our own records says nothing against what is released: it is gone on with, not undone."""
    with suppress(StoreUnavailable):  # else it stays RUNNING, and is resumed all the same
        _set(runner, revision, RevisionState.INTERRUPTED)
    return type(first)(
        f"{title} stopped: {first.summary}",
        detail=first.detail,
        mend=f"{first.mend}; then `duoyun resume` goes on from here",
        address=first.address,
    )


def _refused(outcome: Outcome) -> DuoyunError | None:
    """The error to end with where we were not allowed to do anything at all: then nothing was changed."""
    if outcome.of(ActionState.DONE) or not outcome.errors:
        return None
    first = outcome.errors[0]
    if not all(isinstance(e, Forbidden | Unauthenticated) for e in outcome.errors):
        return None
    return type(first)(
        f"{first.summary}; nothing was changed", detail=first.detail, mend=first.mend, address=first.address
    )


def _set(runner: Runner, revision: Revision, state: RevisionState) -> None:
    """A roll-back that is through says so of the release that it has undone, too."""
    undone = state in (RevisionState.DEPLOYED, RevisionState.DESTROYED)
    runner.store.revisions.set_state(
        runner.scope,
        runner.keeper.token,
        revision.number,
        state,
        actor=runner.actor,
        rolled_back=revision.rollback_of if undone else None,
    )


def _failed(title: str, failure: Failure, tail: str, mend: str = "") -> ReleaseFailed:
    return ReleaseFailed(
        f"{title} failed; {tail}",
        detail=failure.detail,
        mend=mend or "`duoyun status` shows what is where; mend the cause and deploy again, or `duoyun rollback`",
    )


# -- the way back ----------------------------------------------------------------------------------------------


def _roll_back(runner: Runner, plan: Plan, failed: Revision, failure: Failure, outcome: Outcome) -> Released:
    title = f"{plan.application} revision {failed.number}"
    stuck = one_way_passed(plan, outcome.actions)
    if stuck:
        _set(runner, failed, RevisionState.FAILED)
        raise _failed(
            title,
            failure,
            f"not rolled back: {', '.join(stuck)} went past a one-way step",
            "mend the cause and deploy forward: a one-way step cannot be undone",
        )
    runner.tell("rollback_started", f"{title} failed: {failure.first}; rolling back what it changed")
    previous = runner.store.revisions.latest_deployed(runner.scope)
    revision = None
    try:
        planned = _way_back(runner, plan, previous)
        planned.require_observed()
        back = replace(planned.plan, actions=backwards(planned.plan.actions))
        # The failed revision stays RUNNING until its roll-back is on record: killed in between, `resume` finds it.
        revision = _start(runner, back, f"rolls back revision {failed.number}", rollback_of=failed.number)
        runner.on_phase(f"{title}: rolling back", back)
        undone = execute(runner, back, revision, keep_going=True)
    except LeaseLost:
        raise
    except StoreUnavailable as exc:
        left = failed if revision is None else revision
        raise _stopped_by_store(runner, left, f"{title} failed; its roll-back", exc) from exc
    except DuoyunError as exc:
        _set(runner, failed, RevisionState.FAILED)
        raise _failed(title, failure, f"and the roll-back did not start: {exc.summary}", exc.mend) from exc
    if undone.interrupted:
        _set(runner, revision, RevisionState.INTERRUPTED)
        raise Interrupted(f"{title} failed; its roll-back was interrupted", mend="`duoyun resume` goes on with it")
    for error in undone.errors:
        if isinstance(error, StoreUnavailable):
            raise _stopped_by_store(runner, revision, f"{title} failed; its roll-back", error)
    if not undone.ok:
        _set(runner, revision, RevisionState.FAILED)
        raise _failed(title, failure, f"and its roll-back failed as well:\n{evidence(back, undone)}")
    _set(runner, revision, RevisionState.DEPLOYED if previous else RevisionState.DESTROYED)
    runner.tell("rollback_done", f"{title} is rolled back")
    where = f"revision {previous.number} is in place again" if previous else kept_cost(planned.plan)
    raise ReleaseRolledBack(
        f"{title} failed and was rolled back: {where}",
        detail=failure.detail,
        mend="mend the cause named above and deploy again",
    )


def _way_back(runner: Runner, plan: Plan, previous: Revision | None) -> Planned:
    """To the revision before, and what was adopted since to how it was then."""
    if previous is None:
        return _undo_first(runner, plan)
    past = runner.store.plans.load(previous.plan_sha256)
    adopted = as_adopted(plan, past.items)
    if not adopted:
        return plan_of_revision(runner.context, previous.number)
    return plan_for(
        runner.context,
        (*past.items, *adopted),
        past.placement,
        app=past.app,
        app_sha256=past.app_sha256,
        before=past,
        in_order=False,
    )


def _undo_first(runner: Runner, plan: Plan) -> Planned:
    """There is no revision to go back to: workloads and instances go, infrastructure stays (ADR 3)."""
    workloads = (Kind.KUBERNETES_OBJECT, Kind.INSTANCE)
    kept = tuple(i for i in plan.items if i.address.kind not in workloads)
    recorded = {r.address for r in runner.store.inventory.list(runner.scope)}
    kept = tuple(i for i in kept if i.address in recorded)
    kept = (*kept, *as_adopted(plan, kept))
    return plan_for(runner.context, kept, plan.placement, app=plan.app, app_sha256=plan.app_sha256)
