"""What a refusal shows: what denies, and none of the many findings that do not."""

from __future__ import annotations

import pytest

from model.errors import DeniedByPolicy
from model.plan import Finding, GateReport, Severity
from orchestrator.release import require_gate


def finding(severity: Severity, address: str, **more: str) -> Finding:
    return Finding(rule_id="DY-X-001", title="t", severity=severity, address=address, message="is open", **more)


def report(*findings: Finding, passed: bool = False) -> GateReport:
    stages = {"syntax": True, "network": passed, "policies": True, "approval": False}
    return GateReport(stages=stages, findings=findings, rules_checked=1, documents_checked=1)


def test_only_what_denies_is_told_with_its_mend() -> None:
    found = (
        finding(Severity.CRITICAL, "a/port", mend="close it"),
        finding(Severity.HIGH, "a/waived", waived_by="W1"),
        *(finding(Severity.LOW, f"a/low-{n}") for n in range(200)),
    )
    with pytest.raises(DeniedByPolicy) as refused:
        require_gate(report(*found))
    assert refused.value.summary == "refused by the gate, stage network: nothing was touched"
    assert refused.value.detail.splitlines() == ["DY-X-001 critical: a/port: is open", "  mend: close it"]


def test_what_finds_no_room_is_counted() -> None:
    with pytest.raises(DeniedByPolicy, match="stage network") as refused:
        require_gate(report(*(finding(Severity.HIGH, f"a/{n:02}") for n in range(23))))
    assert refused.value.detail.splitlines()[-1] == "and 3 more; `duoyun plan -o json` has them all"


def test_a_pending_approval_is_no_denial() -> None:
    require_gate(report(finding(Severity.LOW, "a"), passed=True))
    require_gate(None)
