"""Carries a plan out as far as it goes: its canaries, stage by stage, then the rest, each watched before it counts.

Callers: release, which decides what becomes of a failure. Whoever calls it holds the lease. What an earlier run of the
same revision has done is not done again, and a stage that was left behind is not watched again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from model.errors import RolloutFailed
from model.plan import Plan, Revision, Stage
from model.ports import Clock, Event, EventSink
from orchestrator.bake import watch, watched
from orchestrator.engine.engine import Engine
from orchestrator.engine.options import EngineOptions
from orchestrator.engine.outcome import ActionState, Outcome
from orchestrator.metrics import Judge, metrics_of
from orchestrator.planning import Context
from orchestrator.stages import part, whole
from orchestrator.store import LeaseKeeper, Scope, Store


@dataclass(frozen=True, slots=True)
class Runner:
    """What executing needs beyond planning. on_phase: told of each plan before it is executed, for a
    live view. bake_s: how long what was released is watched before it counts as deployed.
    """

    context: Context
    engine: Engine
    keeper: LeaseKeeper
    clock: Clock
    events: EventSink
    actor: str
    options: EngineOptions = field(default_factory=EngineOptions)
    bake_s: float = 5.0
    on_phase: Callable[[str, Plan], None] = lambda _title, _plan: None

    @property
    def store(self) -> Store:
        return self.context.store

    @property
    def scope(self) -> Scope:
        return self.context.scope

    def tell(self, kind: str, text: str, **data: Any) -> None:
        self.events.emit(Event(kind, self.clock.now_s(), {"text": text, **data}))


def carry_out(runner: Runner, plan: Plan, revision: Revision) -> tuple[Outcome, Failure | None]:
    """What came of each action, and why the release failed where it did; None also where it was interrupted.

    Raises Interrupted where it is stopped while watching, and LeaseLost.
    """
    # A destroy and a roll-back go on past a failure: each thing that can be put right is worth it by itself.
    back = revision.rollback_of is not None
    if plan.stages and not back:
        stopped = _canaries(runner, plan, revision)
        if stopped is not None:
            return stopped
    outcome = execute(runner, plan, revision, keep_going=not plan.own_items or back)
    if outcome.interrupted:
        return outcome, None
    failure = _failure_of(plan, outcome)
    if failure is None and plan.own_items and not back:
        failure = _watched(runner, plan, runner.bake_s, "what was released")
    return outcome, failure


def _canaries(runner: Runner, plan: Plan, revision: Revision) -> tuple[Outcome, Failure | None] | None:
    """None where all of them are well."""
    begun = runner.engine.begun(plan, revision.number)
    for number, stage in enumerate(plan.stages, 1):
        first = part(plan, stage)
        outcome = execute(runner, first, revision, keep_going=False)
        if outcome.interrupted:
            return whole(plan, outcome), None
        failure = _failure_of(first, outcome)
        if failure is None and begun <= frozenset(stage.actions):
            what = f"canaries ({canary_names(plan, stage)})"
            failure = _watched(runner, first, stage.watch_s, what, Judge(metrics_of(plan)))
        if failure is not None:
            stage_of = f"stage {number} of {len(plan.stages)}"
            where = f"among the canaries, {stage_of}: the rest of their services was not touched"
            return whole(plan, outcome), replace(failure, detail=f"{where}\n{failure.detail}")
    runner.tell("canaries_done", "the canaries are well; the rest follows")
    return None


def canary_names(plan: Plan, stage: Stage, most: int = 4) -> str:
    """`web in aws-cn/cn-north-1, orders in ... and 3 more`."""
    by_id = {a.id: a for a in plan.actions}
    found = Counter(
        f"{by_id[i].service} in {by_id[i].address.partition}/{by_id[i].address.region}" for i in stage.canaries
    )
    names = list(found)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a release failed. first: one line; detail: all of it, with mends."""

    first: str
    detail: str


def _failure_of(plan: Plan, outcome: Outcome) -> Failure | None:
    if outcome.ok:
        return None
    addresses = {a.id: a.address for a in plan.actions}
    failed = outcome.of(ActionState.FAILED)
    first = "no action says why"
    if failed:
        name = addresses[failed[0].id].name.rsplit("/", 1)[-1]
        first = f"{name}: {(failed[0].error or {}).get('summary', 'failed')}"
    return Failure(first, evidence(plan, outcome))


def _watched(runner: Runner, plan: Plan, watch_s: float, what: str, judge: Judge | None = None) -> Failure | None:
    """What was released is watched for a while before it counts: some things fall over a little later."""
    if watch_s <= 0 or not watched(plan):
        return None
    runner.tell("waiting", f"watching {what} for {watch_s:.0f} s")
    try:
        watch(plan, runner.context.targets, runner.context.cancelled, bake_s=watch_s, fleet=plan.fleet, judge=judge)
    except RolloutFailed as exc:
        return Failure(exc.summary, f"{exc.address or plan.application}: {exc.summary}\n{exc.detail}".strip())
    return None


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


def execute(runner: Runner, plan: Plan, revision: Revision, *, keep_going: bool) -> Outcome:
    options = replace(runner.options, keep_going=keep_going)
    outcome = runner.engine.execute(plan, revision.number, runner.keeper, runner.context.cancelled, options=options)
    if outcome.lease_lost is not None:
        # Whoever holds the lease now decides what becomes of this revision; we may not even write that we stopped.
        raise outcome.lease_lost
    return outcome
