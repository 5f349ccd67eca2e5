"""A saved report holds on its own; whatever is changed in it afterwards is noticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.errors import InvalidInput
from model.plan import Finding, Severity
from orchestrator.approvals.flow import give, require, settle
from orchestrator.approvals.subject import approval_hash
from orchestrator.compliance import STANDARDS, _body, _controls, read_report, verify_report
from orchestrator.store import Scope
from policies.rules import Rule


def rule(name: str, *controls: str, kinds: tuple[str, ...] = ("*",)) -> Rule:
    return Rule(
        id=name, package=name, title="t", severity=Severity.LOW, rationale="", mend="m", kinds=kinds, controls=controls
    )


def finding(name: str, **more: Any) -> Finding:
    return Finding(rule_id=name, title="t", severity=Severity.LOW, address="a", message="m", **more)


def test_a_control_is_open_waived_met_or_not_assessed() -> None:
    rules = [
        rule("R1", "mlps3:8.1.3.1"),
        rule("R2", "GB/T 22239-2019 8.1.3.1", "CIS 1.2"),
        rule("R3", "MLPS3 8.1.4.2"),
        rule("R4", "mlps3:8.1.10.1"),
        rule("R5", "mlps3 8.1.4.9"),
        rule("R6", "CIS 8.1.3.1"),
        rule("R7", "mlps3 8.1.5.1", kinds=("database",)),
        rule("R8", "mlps3 8.1.5.1", kinds=("bucket",)),
        rule("R9", "mlps3 8.1.5.2", kinds=("cluster",)),
    ]
    findings = [finding("R2"), finding("R3", waived_by="W1"), finding("R5", unknown=True), finding("R6")]
    rows = _controls(rules, findings, STANDARDS["mlps3"][1], [{"kind": "cluster", "address": "a"}])
    assert [(r["control"], r["state"], r["rules"]) for r in rows] == [
        ("8.1.3.1", "open", ["R1", "R2"]),
        ("8.1.4.2", "waived", ["R3"]),
        ("8.1.4.9", "not assessed", ["R5"]),
        ("8.1.5.1", "nothing to judge", ["R7", "R8"]),
        ("8.1.5.2", "met", ["R9"]),
        ("8.1.10.1", "met", ["R4"]),
    ]


@pytest.fixture
def report(asking_with: Any, plan: Any, person: Any, keys: Callable[..., Path]) -> dict[str, Any]:
    from model.errors import ApprovalPending

    asking = asking_with((person("anna"), person("bert")), always=True)
    scope = Scope.of(plan)
    with pytest.raises(ApprovalPending):
        require(asking, plan, actor="me@here", identity=keys("anna"))
    give(asking, scope, approval_hash(plan), approved=True, identity=keys("bert"))
    settle(asking, plan, actor="anna")
    entries = asking.store.audit.entries(str(scope))
    return {
        "report_version": 1,
        "changes": [
            {"revision": 1, "plan": approval_hash(plan), "approvals": [{"by": "bert", "approved": True, "at_s": 1.0}]}
        ],
        "audit": {
            "chain": str(scope),
            "state": "whole",
            "head": entries[-1].hash,
            "entries": [{**_body(e), "hash": e.hash} for e in entries],
        },
    }


def test_a_report_holds_after_it_was_saved(report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(report, indent=2))
    assert verify_report(read_report(tmp_path / "r.json")) == []


def test_whatever_is_changed_in_a_report_is_noticed(report: dict[str, Any]) -> None:
    def broken(change: Callable[[Any], Any]) -> list[str]:
        copied = copy.deepcopy(report)
        change(copied)
        return verify_report(copied)

    audit = "audit"
    assert "was changed" in broken(lambda r: r[audit]["entries"][1].update(actor="anna"))[0]
    assert "does not follow" in broken(lambda r: r[audit]["entries"].pop(0))[0]
    assert "does not end" in broken(lambda r: r[audit]["entries"].pop())[0]
    assert "anna stands in the chain" in broken(lambda r: r["changes"][0]["approvals"][0].update(by="anna"))[0]
    assert "damaged" in broken(lambda r: r.pop(audit))[0]


def test_a_chain_written_anew_does_not_bring_a_forged_signature_through(report: dict[str, Any]) -> None:
    """Somebody who rewrites the whole chain still lacks the approver's key."""
    import hashlib

    from model.codec import canonical

    entries = report["audit"]["entries"]
    entries[1]["data"]["hash"] = "f" * 64
    previous = "0" * 64
    for entry in entries:
        entry["previous"] = previous
        body = {k: v for k, v in entry.items() if k != "hash"}
        previous = entry["hash"] = hashlib.sha256(canonical(body).encode()).hexdigest()
    report["audit"]["head"] = previous
    report["changes"] = []
    (problem,) = verify_report(report)
    assert "the proof that it was bert does not hold" in problem


def test_what_is_no_report_is_unreadable(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"report_version": 99}'):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(InvalidInput):
            read_report(tmp_path / "r.json")
