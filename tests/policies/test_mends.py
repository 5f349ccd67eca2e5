"""A mend that is mechanical comes as a change of the text: it applies, and the finding is gone after it."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from model.plan import Finding, GateReport
from orchestrator.registry import terraform_tables
from policies.engine import RegoEngine
from policies.gate import judge
from policies.loaders import load
from policies.mends import Edit, Mender, NoEdit
from policies.mends.edits import applied, patch
from policies.mends.hcl import HclText
from policies.rules import default_bundle

TABLES = terraform_tables()
FIXTURES = Path(__file__).parent / "terraform"
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
        - name: web
          image: web:1
        - name: side
          image: side:1
          securityContext:
            privileged: true
            allowPrivilegeEscalation: true  # for now
"""


@pytest.fixture(scope="module")
def engine() -> RegoEngine:
    return RegoEngine(default_bundle().modules, checked=())


def judged(folder: Path, engine: RegoEngine) -> tuple[GateReport, Mender]:
    loaded = load([folder], mapping=TABLES)
    assert not loaded.mistakes
    bundle = default_bundle()
    report = judge(loaded.documents, today=datetime.date(2026, 1, 1), bundle=bundle, evaluator=engine)
    texts = {str(p): p.read_bytes().decode() for p in folder.iterdir() if p.is_file()}
    return report, Mender(loaded.documents, bundle.rules, texts, TABLES)


def edits_of(report: GateReport, mender: Mender) -> dict[Finding, Edit]:
    found = {f: mender.mend(f) for f in report.findings}
    return {f: e for f, e in found.items() if isinstance(e, Edit)}


STORES = """
resource "aws_ebs_volume" "mend" {
  size = 4
}
resource "aws_db_instance" "mend" {
  storage_encrypted       = false
  multi_az                = false
  backup_retention_period = 0
  publicly_accessible     = true
}
resource "aws_kms_key" "mend" {
  enable_key_rotation = false
}
"""


@pytest.mark.parametrize(("cloud", "more", "least"), [("aws", STORES, 7), ("azure", "", 3), ("alibaba", "", 5)])
def test_after_the_mend_the_finding_is_gone(
    cloud: str, more: str, least: int, engine: RegoEngine, tmp_path: Path
) -> None:
    file = tmp_path / "main.tf"
    file.write_text((FIXTURES / f"{cloud}.tf").read_text() + more)
    report, mender = judged(tmp_path, engine)
    edits = edits_of(report, mender)
    assert len({f.rule_id for f in edits}) >= least
    file.write_text(applied(file.read_text(), edits.values()))
    after, _ = judged(tmp_path, engine)
    left = {(f.rule_id, f.address) for f in after.findings}
    assert not {(f.rule_id, f.address) for f in edits} & left


def test_the_patch_applies_with_git_and_leaves_nothing_to_mend(engine: RegoEngine, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(MANIFEST)
    report, mender = judged(tmp_path, engine)
    edits = edits_of(report, mender)
    mended = {f.rule_id for f in edits}
    assert mended == {"DY-K8S-001", "DY-K8S-009", "DY-K8S-004", "DY-K8S-012", "DY-K8S-013", "DY-K8S-014"}
    relative = [Edit("web.yaml", e.line, e.new, e.old) for e in edits.values()]
    text = patch(relative, {"web.yaml": MANIFEST})
    subprocess.run(["git", "apply", "-"], input=text, text=True, cwd=tmp_path, check=True)
    written = (tmp_path / "web.yaml").read_text()
    assert "allowPrivilegeEscalation: false  # for now" in written
    after, _ = judged(tmp_path, engine)
    assert not mended & {f.rule_id for f in after.findings}


def mend_of(text: str, rule: str, engine: RegoEngine, folder: Path) -> Any:
    (folder / "main.tf").write_text(text)
    report, mender = judged(folder, engine)
    return next(mender.mend(f) for f in report.findings if f.rule_id == rule)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            'variable "e" {\n  default = false\n}\nresource "aws_ebs_volume" "d" {\n  encrypted = var.e\n}\n',
            "no literal",
        ),
        ('resource "aws_ebs_volume" "d" {}\n', "on one line"),
    ],
)
def test_what_is_not_mechanical_here_is_told(text: str, why: str, engine: RegoEngine, tmp_path: Path) -> None:
    found = mend_of(text, "DY-ENC-001", engine, tmp_path)
    assert isinstance(found, NoEdit)
    assert why in found.why


def test_a_setting_that_is_there_is_replaced_and_one_that_is_not_is_added(engine: RegoEngine, tmp_path: Path) -> None:
    there = mend_of('resource "aws_ebs_volume" "d" {\n  encrypted = false # why\n}\n', "DY-ENC-001", engine, tmp_path)
    assert there == Edit(str(tmp_path / "main.tf"), 2, "  encrypted = true # why", "  encrypted = false # why")
    added = mend_of('resource "aws_ebs_volume" "d" {\n  size = 4\n}\n', "DY-ENC-001", engine, tmp_path)
    assert added == Edit(str(tmp_path / "main.tf"), 3, "  encrypted = true")


def test_line_ends_stay_as_they_are() -> None:
    edits = [Edit("a", 2, "  b = 2", "  b = 1"), Edit("a", 3, "  c = 3")]
    assert applied("a {\r\n  b = 1\r\n}", edits) == "a {\r\n  b = 2\r\n  c = 3\r\n}"


def test_mechanical_mends_name_fields_of_which_the_rules_speak() -> None:
    rules: Mapping[str, Any] = {r.id: r.wants for r in default_bundle().rules if r.wants}
    assert len(rules) >= 100
    for rule in default_bundle().rules:
        for name in rule.wants:
            assert rule.objects or name in {path.split(".")[0] for path in rule.reads}, rule.id


def test_a_block_is_read_with_what_stands_around_it_where_it_cannot_be_alone() -> None:
    """Only the lines from one block to the next are parsed, unless a text of several lines spans them."""
    text = (
        'resource "a" "first" {\n  on = false\n}\n\n'
        'resource "a" "second" {\n  script = <<EOF\nresource "a" "none" {\n  on = false\n}\nEOF\n  on     = false\n}\n'
    )
    file = HclText("main.tf", text)
    assert file.changed(2, "on", True) == Edit("main.tf", 2, "  on = true", "  on = false")
    assert file.changed(11, "on", True) == Edit("main.tf", 11, "  on     = true", "  on     = false")
    assert file.added(5, ["size"], 3) == Edit("main.tf", 12, "  size = 3")
    assert isinstance(file.changed(3, "on", True), NoEdit)
