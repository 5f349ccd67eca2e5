"""Whether a plan asks for an approval, and whether it has one. Callers: flow, plan view. Pure: now is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from model.plan import Op, Plan
from model.spec.approvals import ApprovalsSpec, ApproverSpec
from model.spec.fleet import Fleet
from orchestrator.store.values import ApprovalRequest, Decision


@dataclass(frozen=True, slots=True)
class Roster:
    """Who may approve, and what asks for it."""

    people: tuple[ApproverSpec, ...] = ()
    terms: ApprovalsSpec = field(default_factory=ApprovalsSpec)

    @classmethod
    def of(cls, fleet: Fleet) -> Roster:
        return cls(fleet.spec.approvers, fleet.spec.approvals)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Roster:
        people = tuple(ApproverSpec.model_validate(p) for p in data["approvers"])
        return cls(people, ApprovalsSpec.model_validate(data["approvals"]))

    def to_data(self) -> dict[str, Any]:
        return {
            "approvers": [p.model_dump(mode="json") for p in self.people],
            "approvals": self.terms.model_dump(mode="json"),
        }


class State(StrEnum):
    NOT_NEEDED = "not needed"
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Standing:
    """given: people whose approval counts. needed: how many of them. reasons: why it is asked for at all."""

    state: State
    needed: int
    given: tuple[str, ...] = ()
    rejected_by: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def reasons_for(plan: Plan, rosters: Sequence[Roster]) -> tuple[str, ...]:
    """Why the plan asks for an approval; empty where it does not. Each roster's terms count: a fleet that was edited
    to ask less does not ask less before that itself was agreed to."""
    found: dict[str, None] = {}
    for finding in plan.gate.findings if plan.gate else ():
        if finding.approval:
            found[f"{finding.rule_id} {finding.address}: {finding.message}"] = None
    if plan.actions:
        for roster in rosters:
            found.update(dict.fromkeys(_by_terms(plan, roster.terms)))
    return tuple(found)


def _by_terms(plan: Plan, terms: ApprovalsSpec) -> list[str]:
    rows = []
    if terms.always:
        rows.append("every change of this fleet asks for an approval")
    if terms.changes is not None and len(plan.actions) >= terms.changes:
        rows.append(f"it changes {len(plan.actions)} things, and {terms.changes} or more ask for an approval")
    gone = sum(a.op in (Op.DELETE, Op.REPLACE) for a in plan.actions)
    if terms.deletes is not None and gone >= terms.deletes:
        rows.append(f"it deletes or replaces {gone} things, and {terms.deletes} or more ask for an approval")
    if terms.cost_increase_per_hour is not None:
        cost = plan.placement.cost
        before = plan.cost_before.total_per_hour if plan.cost_before else 0.0
        more = cost.total_per_hour - before
        if more > terms.cost_increase_per_hour:
            rows.append(
                f"it costs {more:.2f} {cost.currency} an hour more, and more than "
                f"{terms.cost_increase_per_hour:g} asks for an approval"
            )
    return rows


def stand(
    request: ApprovalRequest | None,
    decisions: Sequence[Decision],
    roster: Roster,
    reasons: Sequence[str],
    requester: str | None,
    now_s: float,
) -> Standing:
    """Where an approval stands. requester: proven name of whoever carries the plan out, None where nobody proved it.

    A requester who does not prove who they are might be any one of the approvers: then one more must agree, so that
    at least `count` of those who did are somebody else.
    """
    needed = roster.terms.count + (requester is None)
    if not reasons:
        return Standing(State.NOT_NEEDED, needed)
    able = {p.name for p in roster.people if p.may_approve}
    given = tuple(d.person for d in decisions if d.approved and d.person in able and d.person != requester)
    rejected = tuple(d.person for d in decisions if not d.approved and d.person in able)
    if request is not None and now_s > request.until_s:
        state = State.EXPIRED
    elif rejected:
        state = State.REJECTED
    else:
        state = State.APPROVED if len(given) >= needed else State.PENDING
    return Standing(state, needed, given, rejected, tuple(reasons))
