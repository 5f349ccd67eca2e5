"""The way back, as values: in which order, past what it cannot go, and what it leaves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from model.plan import Action, Item, Op, Plan
from model.resources import Address, Kind, Ownership
from orchestrator.engine.outcome import ActionOutcome, ActionState


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


def one_way_passed(plan: Plan, outcomes: Mapping[str, ActionOutcome]) -> tuple[str, ...]:
    """Services whose release went through although it cannot be undone (`rollout.one_way`)."""
    services = {s["name"]: s for s in plan.app["spec"]["services"]}
    passed = {a.service for a in plan.actions if a.op is not Op.ADOPT and outcomes[a.id].state is ActionState.DONE}
    return tuple(sorted(s for s in passed if s in services and services[s].get("rollout", {}).get("one_way")))


def kept_cost(plan: Plan) -> str:
    """What the roll-back of a first release leaves, and what that costs."""
    cost = plan.placement.cost
    pools = [i for i in plan.own_items if i.address.kind is Kind.NODE_POOL]
    if not pools:
        return "its workloads are gone"
    return (
        f"its workloads are gone; {len(pools)} node pools stay for the next try and cost up to "
        f"{cost.compute_per_hour:.2f} {cost.currency} per hour (`duoyun destroy` removes them)"
    )


def as_adopted(failed: Plan, before: Iterable[Item]) -> tuple[Item, ...]:
    """Adopted objects that the failed plan changed first, as they were adopted: no earlier revision knows them."""
    known = {item.address for item in before}
    was = {a.address: a.before for a in failed.actions if a.op is Op.UPDATE and a.before is not None}
    return tuple(
        replace(item, resource=was[item.address])
        for item in failed.items
        if item.ownership is Ownership.ADOPT and item.address in was and item.address not in known
    )
