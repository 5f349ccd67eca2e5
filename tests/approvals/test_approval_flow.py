"""Asking and agreeing: how many, not the requester, until when, bound to the plan; and nothing that gets around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from model.errors import ApprovalPending, ApprovalRefused, DeniedByPolicy, InvalidInput, Unauthenticated
from model.plan import Finding, GateReport, Op, Plan, Severity
from model.spec.approvals import ApproverSpec
from orchestrator.approvals.decide import State
from orchestrator.approvals.flow import Asking, give, require, settle
from orchestrator.approvals.subject import approval_hash
from orchestrator.store import Scope
from tests.approvals.conftest import dearer

Ask = Callable[..., Asking]
Keys = Callable[..., Path]
Person = Callable[..., ApproverSpec]


def say(asking: Asking, plan: Plan, key: Path, *, approved: bool = True) -> str:
    return give(asking, Scope.of(plan), approval_hash(plan), approved=approved, identity=key).person


def pending(asking: Asking, plan: Plan, identity: Path | None = None) -> str:
    with pytest.raises(ApprovalPending) as caught:
        require(asking, plan, actor="me@here", identity=identity)
    assert caught.value.exit_code == 5
    assert approval_hash(plan) in caught.value.detail
    return caught.value.detail


def test_nothing_is_asked_for_where_nothing_asks(asking_with: Ask, plan: Plan, person: Person) -> None:
    assert require(asking_with(()), plan, actor="me@here") == "me@here"
    assert require(asking_with((person("anna"),)), plan, actor="me@here") == "me@here"


def test_a_plan_waits_for_somebody_else_and_goes_on_with_their_word(
    asking_with: Ask, plan: Plan, person: Person, keys: Keys
) -> None:
    asking = asking_with((person("anna"), person("bert")), always=True)
    assert "0 of 1 approvals" in pending(asking, plan, keys("anna"))
    with pytest.raises(ApprovalRefused, match="cannot give it"):
        say(asking, plan, keys("anna"))
    assert say(asking, plan, keys("bert")) == "bert"
    assert require(asking, plan, actor="me@here", identity=keys("anna")) == "anna"


def test_the_requester_cannot_carry_out_what_only_they_approved(
    asking_with: Ask, plan: Plan, person: Person, keys: Keys
) -> None:
    """Anna has it asked for under another name, approves it, and carries it out."""
    asking = asking_with((person("anna"), person("bert")), always=True)
    pending(asking, plan)
    say(asking, plan, keys("anna"))
    pending(asking, plan, keys("anna"))
    assert "nobody proved who is asking" in pending(asking, plan)
    say(asking, plan, keys("bert"))
    assert require(asking, plan, actor="me@here") == "me@here"  # two agreed: one of them is not whoever this is


def test_a_changed_plan_needs_another_approval_and_says_what_was_approved(
    asking_with: Ask, plan: Plan, person: Person, keys: Keys
) -> None:
    asking = asking_with((person("anna"), person("bert")), always=True)
    pending(asking, plan, keys("anna"))
    say(asking, plan, keys("bert"))
    for changed in (
        replace(plan, actions=plan.actions * 2),
        replace(plan, base_revision=1),
        replace(plan, app_sha256="c" * 64),
        replace(plan, fleet_sha256="c" * 64),
        dearer(plan, 0.01),
    ):
        detail = pending(asking, changed, keys("anna"))
        assert "bert approved" in detail and "has changed since" in detail
    again = replace(plan, created_at_s=99.0, warnings=("x",))
    assert require(asking, again, actor="me@here", identity=keys("anna")) == "anna"


def test_an_approval_ends_with_its_time_and_is_asked_for_anew(
    asking_with: Ask, plan: Plan, person: Person, keys: Keys, manual_clock
) -> None:
    asking = asking_with((person("anna"), person("bert")), always=True, valid="1h")
    pending(asking, plan, keys("anna"))
    say(asking, plan, keys("bert"))
    manual_clock.advance(3601)
    with pytest.raises(InvalidInput, match="expired"):
        say(asking, plan, keys("bert"))
    with pytest.raises(ApprovalRefused, match="expired") as caught:
        require(asking, plan, actor="me@here", identity=keys("anna"))
    assert caught.value.exit_code == 12
    assert "0 of 1" in pending(asking, plan, keys("anna"))
    say(asking, plan, keys("bert"))
    require(asking, plan, actor="me@here", identity=keys("anna"))


def test_a_no_holds_until_who_said_it_says_yes(asking_with: Ask, plan: Plan, person: Person, keys: Keys) -> None:
    asking = asking_with((person("anna"), person("bert"), person("carl")), always=True)
    pending(asking, plan, keys("anna"))
    say(asking, plan, keys("carl"))
    say(asking, plan, keys("bert"), approved=False)
    with pytest.raises(ApprovalRefused, match="refused by bert") as caught:
        require(asking, plan, actor="me@here", identity=keys("anna"))
    assert caught.value.exit_code == 12
    say(asking, plan, keys("bert"))
    require(asking, plan, actor="me@here", identity=keys("anna"))


def test_as_many_as_are_asked_for_must_agree_each_counted_once(
    asking_with: Ask, plan: Plan, person: Person, keys: Keys
) -> None:
    asking = asking_with((person("anna"), person("bert"), person("carl")), always=True, count=2)
    pending(asking, plan, keys("anna"))
    say(asking, plan, keys("bert"))
    say(asking, plan, keys("bert"))
    assert "1 of 2" in pending(asking, plan, keys("anna"))
    say(asking, plan, keys("carl"))
    require(asking, plan, actor="me@here", identity=keys("anna"))


def test_strangers_and_those_who_only_ask_do_not_approve(
    asking_with: Ask, plan: Plan, person: Person, keys: Keys
) -> None:
    asking = asking_with((person("anna"), person("job", may_approve=False)), always=True)
    pending(asking, plan, keys("job"))
    with pytest.raises(Unauthenticated):
        say(asking, plan, keys("stranger"))
    with pytest.raises(ApprovalRefused, match="not give"):
        say(asking, plan, keys("job"))
    say(asking, plan, keys("anna"))
    assert require(asking, plan, actor="me@here", identity=keys("job")) == "job"


def test_the_fleet_that_the_requester_edits_does_not_decide_who_approves(
    asking_with: Ask, plan: Plan, person: Person, keys: Keys
) -> None:
    first = asking_with((person("anna"), person("bert")), always=True)
    pending(first, plan, keys("anna"))
    say(first, plan, keys("bert"))
    require(first, plan, actor="me@here", identity=keys("anna"))
    settle(first, plan, actor="anna")
    later = replace(plan, base_revision=1)
    for edited in (
        asking_with((person("anna"), person("mallory")), always=True),
        asking_with((), always=False),
        asking_with((person("anna"), person("bert")), always=False),
    ):
        assert "other approvers or terms" in pending(edited, later, keys("anna"))
        with pytest.raises(Unauthenticated):
            say(edited, later, keys("mallory"))
    edited = asking_with((person("anna"), person("carl")), always=True)
    say(edited, later, keys("bert"))  # bert agrees to being replaced
    require(edited, later, actor="me@here", identity=keys("anna"))
    settle(edited, later, actor="anna")
    last = replace(plan, base_revision=2)
    pending(edited, last, keys("anna"))
    with pytest.raises(Unauthenticated):
        say(edited, last, keys("bert"))
    assert say(edited, last, keys("carl")) == "carl"


def test_thresholds_and_policies_ask(asking_with: Ask, plan: Plan, person: Person) -> None:
    people = (person("anna"),)
    finding = Finding(rule_id="ACME-1", title="t", severity=Severity.LOW, address="a", message="big", approval=True)
    asked = GateReport(stages={"approval": False}, findings=(finding,), rules_checked=1, documents_checked=1)
    gone = replace(plan, actions=(replace(plan.actions[0], op=Op.DELETE),))
    cases = [
        (replace(plan, gate=asked), {}, "ACME-1 a: big"),
        (plan, {"changes": 1}, "changes 1 things"),
        (gone, {"deletes": 1}, "deletes or replaces 1"),
        (plan, {"cost_increase_per_hour": 1.49}, "1.50 USD an hour more"),
    ]
    for wanted, terms, said in cases:
        standing = asking_with(people, **terms).standing(wanted)
        assert standing.state is State.PENDING
        assert any(said in r for r in standing.reasons), standing
    for wanted, terms in ((plan, {"changes": 2, "deletes": 1, "cost_increase_per_hour": 1.5}),):
        assert asking_with(people, **terms).standing(wanted).state is State.NOT_NEEDED


def test_where_nobody_may_approve_it_is_denied(asking_with: Ask, plan: Plan) -> None:
    with pytest.raises(DeniedByPolicy, match="nobody may give one"):
        require(asking_with((), always=True), plan, actor="me@here")


def test_all_of_it_stands_in_the_audit_chain(asking_with: Ask, plan: Plan, person: Person, keys: Keys) -> None:
    asking = asking_with((person("anna"), person("bert")), always=True)
    pending(asking, plan, keys("anna"))
    say(asking, plan, keys("bert"), approved=False)
    say(asking, plan, keys("bert"))
    settle(asking, plan, actor="anna")
    chain = str(Scope.of(plan))
    entries = asking.store.audit.entries(chain)
    assert [(e.kind, e.actor) for e in entries] == [
        ("approval_requested", "me@here"),
        ("approval_rejected", "bert"),
        ("approval_given", "bert"),
        ("approvers_changed", "anna"),
    ]
    assert entries[2].data["evidence"]["signature"].startswith("-----BEGIN SSH SIGNATURE-----")
    assert asking.store.audit.verify(chain) is None


def test_a_request_is_found_by_the_beginning_of_its_hash_and_by_no_shorter_one(
    asking_with: Ask, plan: Plan, person: Person, keys: Keys
) -> None:
    asking = asking_with((person("anna"), person("bert")), always=True)
    pending(asking, plan, keys("anna"))
    subject = approval_hash(plan)
    for short in ("", subject[:7], "0" * 64):
        with pytest.raises(InvalidInput):
            give(asking, Scope.of(plan), short, approved=True, identity=keys("bert"))
    give(asking, Scope.of(plan), subject[:8], approved=True, identity=keys("bert"))
