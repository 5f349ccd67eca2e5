"""Asking for approvals, giving them, and holding a release until they are there.

Callers: release flow (`require`), the approve, reject and approvals commands. Everything is decided against the roster
in the store, which the requester does not control: the fleet's own takes its place only with the roster's approval,
or where there was none (then it is taken on trust, and the audit chain says so).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.codec import digest
from model.errors import ApprovalPending, ApprovalRefused, DeniedByPolicy, InvalidInput, Unauthenticated
from model.plan import Plan
from model.spec.fleet import Fleet
from orchestrator.approvals.decide import Roster, Standing, State, reasons_for, stand
from orchestrator.approvals.prove import Proof, Proven, Purpose, prove, sign
from orchestrator.approvals.subject import approval_hash
from orchestrator.store import Scope, Store
from orchestrator.store.values import ApprovalRequest, Decision


@dataclass(frozen=True, slots=True)
class Asking:
    """One fleet's approvals. folder: where the fleet lies, for key files beside it."""

    store: Store
    fleet: Fleet
    folder: Path

    @property
    def now_s(self) -> float:
        return self.store.db.clock.now_s()

    def own(self) -> Roster:
        return Roster.of(self.fleet)

    def in_force(self) -> Roster:
        """The roster that decides: the store's, else the fleet's own."""
        data = self.store.approvals.roster(self.fleet.name)
        return Roster.from_data(data) if data is not None else self.own()

    def changed(self) -> bool:
        """Whether the fleet names other people or terms than those in force."""
        data = self.store.approvals.roster(self.fleet.name)
        return data is not None and digest(dict(data)) != digest(self.own().to_data())

    def reasons(self, plan: Plan) -> tuple[str, ...]:
        """Why the plan asks for an approval; empty where it does not."""
        rosters = (self.in_force(), self.own())
        found = reasons_for(plan, rosters)
        if self.changed() and rosters[0].people:
            found = (*found, "the fleet names other approvers or terms than those in force")
        return found

    def standing(self, plan: Plan, requester: str | None = None) -> Standing:
        """Where the plan's approval stands, for whoever looks at it. Changes nothing."""
        scope, subject = Scope.of(plan), approval_hash(plan)
        return stand(
            self.store.approvals.get(scope, subject),
            self.store.approvals.decisions(scope, subject),
            self.in_force(),
            self.reasons(plan),
            requester,
            self.now_s,
        )


def standing_of(asking: Asking, plan: Plan, identity: Path | Proof | None) -> Standing:
    """Where the plan's approval stands for whoever asks with that proof. Changes nothing; raises as the proof does."""
    if not asking.reasons(plan):
        return asking.standing(plan)
    who = _requester(asking, asking.in_force(), approval_hash(plan), identity)
    return asking.standing(plan, who.name if who else None)


def require(asking: Asking, plan: Plan, *, actor: str, identity: Path | Proof | None = None) -> str:
    """Who asked (proven, or else actor), where the plan may be carried out; records the request where it may not.

    identity: a key to prove the requester with, or a proof. Raises ApprovalPending (exit 5), ApprovalRefused (12:
    rejected, or expired, in which case it has been asked for anew), DeniedByPolicy where nobody may approve.
    """
    reasons = asking.reasons(plan)
    roster = asking.in_force()
    if not reasons:
        return actor
    if not any(p.may_approve for p in roster.people):
        raise DeniedByPolicy(
            "an approval is asked for, and nobody may give one: nothing was touched",
            detail="\n".join(reasons),
            mend="name `approvers` in the fleet, or change what asks for the approval",
        )
    subject, scope = approval_hash(plan), Scope.of(plan)
    who = _requester(asking, roster, subject, identity)
    name = who.name if who else actor
    standing = asking.standing(plan, who.name if who else None)
    if standing.state is State.APPROVED:
        return name
    request = asking.store.approvals.get(scope, subject)
    if request is None or standing.state is State.EXPIRED:
        _ask(asking, plan, roster, reasons, name, actor)
    raise _held(asking, plan, standing, subject, proven=who is not None)


def settle(asking: Asking, plan: Plan, *, actor: str) -> None:
    """Puts the fleet's own roster in force with a release that was allowed to carry it."""
    own = asking.own()
    if asking.changed() or (own.people and asking.store.approvals.roster(asking.fleet.name) is None):
        asking.store.approvals.set_roster(Scope.of(plan), own.to_data(), actor=actor, subject_hash=approval_hash(plan))


def _requester(asking: Asking, roster: Roster, subject: str, identity: Path | Proof | None) -> Proven | None:
    if identity is None:
        return None
    proof = sign(identity, subject, Purpose.REQUEST) if isinstance(identity, Path) else identity
    return prove(proof, roster.people, subject, Purpose.REQUEST, now_s=asking.now_s, folder=asking.folder)


def _ask(asking: Asking, plan: Plan, roster: Roster, reasons: tuple[str, ...], requester: str, actor: str) -> None:
    now_s = asking.now_s
    asking.store.approvals.ask(
        ApprovalRequest(
            scope=Scope.of(plan),
            hash=approval_hash(plan),
            plan_sha256=asking.store.plans.save(plan),
            requester=requester,
            asked_at_s=now_s,
            until_s=now_s + roster.terms.valid,
            reasons=reasons,
        ),
        actor=actor,
    )


def _held(
    asking: Asking, plan: Plan, standing: Standing, subject: str, *, proven: bool
) -> ApprovalPending | ApprovalRefused:
    rows = [f"plan {subject}", *(f"asked for, because {r}" for r in standing.reasons)]
    if standing.state is State.REJECTED:
        return ApprovalRefused(
            f"the approval was refused by {', '.join(standing.rejected_by)}: nothing was touched",
            detail="\n".join(rows),
            mend="change the plan, or talk to them: who rejected may still approve",
        )
    rows.append(f"{len(standing.given)} of {standing.needed} approvals are there{_names(standing)}")
    if not proven:
        rows.append("one more is needed than the fleet asks for, as nobody proved who is asking (--identity KEY)")
    rows += _earlier(asking, plan, subject)
    mend = f"somebody else runs: duoyun approve --hash {subject} --key FILE --app APP; then try again"
    if standing.state is State.EXPIRED:
        return ApprovalRefused(
            "the approval has expired: nothing was touched; it has been asked for anew",
            detail="\n".join(rows),
            mend=mend,
        )
    return ApprovalPending("an approval is pending: nothing was touched", detail="\n".join(rows), mend=mend)


def _names(standing: Standing) -> str:
    return f" ({', '.join(standing.given)})" if standing.given else ""


def _earlier(asking: Asking, plan: Plan, subject: str) -> list[str]:
    """What was approved before this plan took its place: the reason why that does not count any more."""
    scope = Scope.of(plan)
    for request in asking.store.approvals.list(scope, limit=5):
        if request.hash == subject:
            continue
        people = [d.person for d in asking.store.approvals.decisions(scope, request.hash) if d.approved]
        if people:
            old = asking.store.plans.load(request.plan_sha256)
            what = f"{len(old.actions)} actions then, {len(plan.actions)} now"
            if old.base_revision != plan.base_revision:
                what = f"made against revision {old.base_revision} then, {plan.base_revision} now"
            names = ", ".join(people)
            return [f"what {names} approved was plan {request.hash[:12]}; the plan has changed since ({what})"]
    return []


# -- giving it -----------------------------------------------------------------------------------------------------


def give(
    asking: Asking, scope: Scope, subject: str, *, approved: bool, identity: Path | Proof, reason: str = ""
) -> Decision:
    """Records a proven person's word on a request.

    Raises InvalidInput (no such request, or it has expired), Unauthenticated (nobody's proof, or a token used before),
    ApprovalRefused (somebody who may not approve, or the requester).
    """
    request = _found(asking, scope, subject)
    purpose = Purpose.APPROVE if approved else Purpose.REJECT
    proof = sign(identity, request.hash, purpose) if isinstance(identity, Path) else identity
    people = asking.in_force().people
    proven = prove(proof, people, request.hash, purpose, now_s=asking.now_s, folder=asking.folder)
    if not proven.may_approve:
        raise ApprovalRefused(f"{proven.name} may ask for approvals, and not give them")
    if approved and proven.name == request.requester:
        raise ApprovalRefused(f"{proven.name} asked for this approval, and cannot give it", mend="ask somebody else")
    token = str(proven.evidence.get("token_sha256", ""))
    if token and asking.store.approvals.token_used(token):
        raise Unauthenticated("this token was used before: a token proves one decision", mend="ask for a new token")
    decision = Decision(
        person=proven.name, approved=approved, at_s=asking.now_s, reason=reason, evidence=proven.evidence
    )
    asking.store.approvals.decide(scope, request.hash, decision)
    return decision


def _found(asking: Asking, scope: Scope, subject: str) -> ApprovalRequest:
    """The request of that hash, or of the one hash that begins so."""
    requests = [r for r in asking.store.approvals.list(scope, limit=1000) if r.hash.startswith(subject)]
    if len(subject) < 8 or len(requests) != 1:
        what = (
            f"{len(requests)} requests begin with {subject!r}" if requests else f"nobody asked to approve {subject!r}"
        )
        raise InvalidInput((), summary=what, mend="`duoyun approvals` lists what is asked for")
    if asking.now_s > requests[0].until_s:
        raise InvalidInput((), summary="this request has expired", mend="the requester has to ask again: duoyun deploy")
    return requests[0]
