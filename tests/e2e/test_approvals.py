"""An approval by hand with two SSH keys: asked for, given by somebody else, and lost where the plan changes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def _key(folder: Path, name: str) -> tuple[str, str]:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return str(path), path.with_suffix(".pub").read_text().strip()


def test_a_release_waits_for_somebody_else_and_a_changed_plan_waits_again(
    duoyun: Any, tmp_path: Path, sandbox: Any
) -> None:
    anna, anna_public = _key(tmp_path, "anna")
    bert, bert_public = _key(tmp_path, "bert")
    rows = [f'  - {{name: {n}, ssh_keys: ["{k}"]}}\n' for n, k in (("anna", anna_public), ("bert", bert_public))]
    people = "  approvers:\n" + "".join(rows)
    duoyun.edit(duoyun.fleet, ("\nspec:\n", f"\nspec:\n{people}  approvals: {{always: true}}\n"))
    asked = duoyun.plan()["approval"]
    assert asked["state"] == "pending"

    waiting = duoyun.on("deploy", "--yes", "--identity", anna, "-o", "json").ended(5)
    assert asked["hash"] in waiting.json["detail"]
    assert sandbox.empty, "nothing is touched before it is agreed to"
    approve = ["--hash", asked["hash"], "--app", str(duoyun.app), "-o", "json"]
    duoyun("approve", *approve, "--key", anna).refused(12, "cannot give it")
    assert duoyun("approve", *approve, "--key", bert).ended(0).json["by"] == "bert"

    duoyun.edit(duoyun.app, ("small/web:1.0.0", "small/web:1.1.0"))
    changed = duoyun.on("deploy", "--yes", "--identity", anna, "-o", "json").ended(5).json
    assert "bert approved" in changed["detail"] and "has changed since" in changed["detail"]
    assert sandbox.empty

    duoyun.edit(duoyun.app, ("small/web:1.1.0", "small/web:1.0.0"))
    assert duoyun.on("deploy", "--yes", "--identity", anna, "-o", "json").ended(0).json["revision"] == 1
    rows = duoyun("approvals", "--app", str(duoyun.app), "-o", "json").ended(0).json["approvals"]
    assert [r["state"] for r in rows if r["hash"] == asked["hash"]] == ["approved"]

    # What brings drift back, and what takes everything away, passes the same gate.
    duoyun.on("destroy", "--confirm", "small", "--identity", anna).ended(5)
    report = tmp_path / "report.json"
    told = (
        duoyun("policy", "report", "mlps3", "--app", str(duoyun.app), "--save", str(report), "-o", "json").ended(0).json
    )
    assert [c["approvals"][0]["by"] for c in told["changes"]] == ["bert"]
    assert duoyun("policy", "verify", str(report)).ended(0)
    report.write_text(
        report.read_text().replace('"by": "bert"', '"by": "anna"').replace("approval_given", "approval_giveN")
    )
    duoyun("policy", "verify", str(report)).ended(1)
