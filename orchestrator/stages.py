"""Which part of a release goes first, and is watched before the rest follows: its canaries. Pure.

Callers: planning (stages_of), carry_out (part, whole). A service that runs has a Deployment for each zone: some of them
get the new version first, over as many clouds as the share allows. Nothing is added for it, so it needs no room, and
what it gets of the traffic is its share of the replicas. What an unfinished release left new is the canary of the one
that goes on with it. The order of a release stays: a service's canaries begin when all that it calls is new everywhere,
so that a new caller never meets an old callee. Machines are no canaries: one that is replaced has another address,
which its callers learn when all are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from model.plan import Action, Op, Plan, Stage
from model.resources import Address, KubernetesObject
from orchestrator.engine.outcome import ActionOutcome, ActionState, Outcome


def stages_of(actions: Iterable[Action], share: float, watch_s: float) -> tuple[Stage, ...]:
    """One stage a wave of changed services that has canaries; none where nothing changes in two places or more.

    share: at most that share of a service's replicas are canaries, and at least one Deployment.
    """
    by_id = {a.id: a for a in actions}
    below = _below(by_id)
    changed: dict[str, list[Action]] = {}
    for action in by_id.values():
        if action.service and action.op in (Op.UPDATE, Op.ADOPT) and "/Deployment/" in action.address.name:
            changed.setdefault(action.service, []).append(action)
    waves = _waves(changed, below)
    stages: list[Stage] = []
    done: frozenset[str] = frozenset()
    for wave in range(max(waves.values(), default=-1) + 1):
        of_wave = [s for s in sorted(changed) if waves[s] == wave and _may_have(changed[s])]
        chosen = [a.id for s in of_wave for a in _canaries(changed[s], share)]
        if not chosen:
            continue
        done = done.union(chosen, *(below[c] for c in chosen))
        stages.append(Stage(canaries=tuple(chosen), actions=tuple(i for i in by_id if i in done), watch_s=watch_s))
    return tuple(stages)


def _below(by_id: Mapping[str, Action]) -> dict[str, frozenset[str]]:
    """Of each action, all that it depends on, however far down."""
    found: dict[str, frozenset[str]] = {}
    for start in by_id:
        stack = [start]
        while stack:
            current = stack[-1]
            missing = [d for d in by_id[current].depends_on if d not in found]
            if current in found or not missing:
                stack.pop()
                direct = by_id[current].depends_on
                found[current] = frozenset(direct).union(*(found[d] for d in direct))
            else:
                stack += missing
    return found


def _waves(changed: Mapping[str, list[Action]], below: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Of each changed service, how many waves of changed services it has to wait for."""
    units = {a.id: s for s, rows in changed.items() for a in rows}
    callees = {
        s: {units[i] for a in rows for i in below[a.id] if i in units} - {s} for s, rows in changed.items()
    }  # transitive, so that whoever has fewer comes first
    waves: dict[str, int] = {}
    for service in sorted(changed, key=lambda s: (len(callees[s]), s)):
        waves[service] = max((waves[c] + 1 for c in callees[service] if c in waves), default=0)
    return waves


def _may_have(rows: list[Action]) -> bool:
    """Whether some of them can be new before others."""
    return len(rows) > 1 and any(a.op is Op.UPDATE for a in rows)


def _canaries(rows: list[Action], share: float) -> list[Action]:
    """The smallest first, one in each cloud before a second in any; never all of them. Where some are new, these."""
    if new := [a for a in rows if a.op is Op.ADOPT]:
        return new
    most = share * sum(_replicas(a) for a in rows)
    left = sorted(rows, key=lambda a: (_replicas(a), a.address))
    chosen: list[Action] = []
    while len(left) > 1:
        clouds = {a.address.partition for a in chosen}
        following = min(left, key=lambda a: (a.address.partition in clouds, left.index(a)))
        if chosen and sum(map(_replicas, chosen)) + _replicas(following) > most:
            break
        chosen.append(following)
        left.remove(following)
    return chosen


def _replicas(action: Action) -> int:
    if isinstance(action.desired, KubernetesObject):
        return int((action.desired.manifest.get("spec") or {}).get("replicas", 1))
    return 1


def part(plan: Plan, stage: Stage) -> Plan:
    """The plan as far as a stage goes."""
    wanted = frozenset(stage.actions)
    return replace(plan, actions=tuple(a for a in plan.actions if a.id in wanted))


def whole(plan: Plan, outcome: Outcome) -> Outcome:
    """The outcome of a stage as one of the whole plan: what comes after the stage was not begun."""
    why = "not begun: the stage before it did not end well"
    rest = {a.id: ActionOutcome(id=a.id, state=ActionState.SKIPPED, why=why) for a in plan.actions}
    return replace(outcome, actions={i: outcome.actions.get(i, rest[i]) for i in rest})


def unjudged(plan: Plan) -> frozenset[Address]:
    """Canaries of a release that did not end well: nobody knows whether they were watched to the end."""
    canaries = {i for stage in plan.stages for i in stage.canaries}
    return frozenset(a.address for a in plan.actions if a.id in canaries)


def with_canaries(plan: Plan) -> Plan:
    """The plan with the stages that its application asks for."""
    wanted: Mapping[str, Any] | None = plan.app.get("spec", {}).get("canary")
    if not wanted:
        return plan
    return replace(plan, stages=stages_of(plan.actions, float(wanted["share"]), float(wanted["watch"])))
