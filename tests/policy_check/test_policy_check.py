"""`duoyun policy check`: exit codes in their order, waivers, baseline, what a change touches, what is not assessed."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.policy_check.conftest import PRIVILEGED, Ran

Duoyun = Callable[..., Ran]
WAIVE = '# duoyun:waive DY-K8S-001 owner=platform expires={day} reason="the node agent needs it"\n'


LOOKED_AT = ("DY-K8S-001", "DY-K8S-002", "DY-K8S-005", "DY-NET-001")


def found(ran: Ran) -> dict[str, str]:
    """Rule -> standing, of the few rules that these tests are about."""
    return {f["rule"]: f["standing"] for f in json.loads(ran.out)["findings"] if f["rule"] in LOOKED_AT}


# -- exit codes ------------------------------------------------------------------------------------------------


def test_what_breaks_no_rule_passes(duoyun: Duoyun) -> None:
    ran = duoyun("policy", "check", "fine.yaml")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith("passed: 1 documents")


def test_a_denial_says_what_where_why_and_how_to_mend_it(duoyun: Duoyun) -> None:
    ran = duoyun("policy", "check", "pod.yaml")
    assert ran.code == 4
    for part in ("CRITICAL DY-K8S-001 Privileged container", "pod.yaml:6", "why:", "mend:", "denied: 1 documents"):
        assert part in ran.out


def test_unreadable_input_outranks_a_denial_and_is_named_with_its_line(duoyun: Duoyun, folder: Path) -> None:
    (folder / "broken.yaml").write_text("kind: Pod\n\tapiVersion: v1\n")
    ran = duoyun("policy", "check", "pod.yaml", "broken.yaml", "-o", "json")
    data = json.loads(ran.out)
    assert ran.code == data["exit_code"] == 3
    assert data["unreadable"][0]["position"].startswith("broken.yaml:2")
    assert found(ran)["DY-K8S-001"] == "denies"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.yaml", b"\xff\xfe\x00binary"), ("b.json", b'{"a": '), ("c.yaml", b"a: [1\nb: 2"), ("d.json", b"[" * 100_000)],
)
def test_no_unreadable_file_is_a_silent_pass(duoyun: Duoyun, folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert duoyun("policy", "check", name, "fine.yaml").code == 3


@pytest.mark.parametrize("args", [["nowhere.yaml"], ["empty"]])
def test_nothing_to_check_is_no_pass(duoyun: Duoyun, folder: Path, args: list[str]) -> None:
    (folder / "empty").mkdir()
    assert duoyun("policy", "check", *args).code == 3


def test_the_checks_own_failure_outranks_everything(duoyun: Duoyun, folder: Path) -> None:
    (folder / "broken.yaml").write_text("a: [1\n")
    (folder / "file").write_text("")
    ran = duoyun("policy", "check", "pod.yaml", "broken.yaml", "--report", "sarif=file/x.sarif")
    assert ran.code == 1
    assert "file/x.sarif" in ran.err
    assert duoyun("policy", "check", "pod.yaml", "--changed-since", "HEAD").code == 1  # no repository


@pytest.mark.parametrize(
    "args",
    [["--fail-on", "awful"], ["--report", "pdf=x"], ["--write-baseline"], ["-o", "json", "--report", "github"]],
)
def test_wrong_usage_is_64(duoyun: Duoyun, args: list[str]) -> None:
    assert duoyun("policy", "check", "pod.yaml", *args).code == 64


def test_the_severity_that_denies_can_be_chosen(duoyun: Duoyun, folder: Path) -> None:
    (folder / "latest.yaml").write_text(PRIVILEGED.replace("privileged: true, ", "").replace("web:1.4.2", "web:latest"))
    assert duoyun("policy", "check", "latest.yaml").code == 0
    assert duoyun("policy", "check", "latest.yaml", "--fail-on", "medium").code == 4


def test_standard_input_is_checked_whole(duoyun: Duoyun, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"---\n{PRIVILEGED}---\n{PRIVILEGED.replace('web', 'other')}"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    ran = duoyun("policy", "check", "-", "-o", "json")
    data = json.loads(ran.out)
    assert data["documents"] == 2
    assert {f["file"] for f in data["findings"]} == {"<stdin>"}
    assert sum(f["rule"] == "DY-K8S-001" for f in data["findings"]) == 2


# -- waivers, baseline, change ---------------------------------------------------------------------------------


def test_a_comment_waives_the_document_that_it_heads_and_no_other(duoyun: Duoyun, folder: Path) -> None:
    text = WAIVE.format(day="2999-01-01") + PRIVILEGED
    (folder / "pod.yaml").write_text(text)
    ran = duoyun("policy", "check", "pod.yaml", "-o", "json")
    assert ran.code == 0
    (finding,) = [f for f in json.loads(ran.out)["findings"] if f["rule"] == "DY-K8S-001"]
    assert finding["standing"] == "waived"
    assert finding["waiver"] == {
        "id": "pod.yaml:1",
        "owner": "platform",
        "reason": "the node agent needs it",
        "expires": "2999-01-01",
    }
    (folder / "pod.yaml").write_text(text + "---\n" + PRIVILEGED.replace("web", "other"))
    assert duoyun("policy", "check", "pod.yaml").code == 4


def test_an_expired_waiver_denies_and_says_so_loudly(duoyun: Duoyun, folder: Path) -> None:
    (folder / "fine.yaml").write_text(WAIVE.format(day="2020-01-31") + (folder / "fine.yaml").read_text())
    ran = duoyun("policy", "check", "fine.yaml")
    assert ran.code == 4
    assert "fine.yaml:1" in ran.out and "expired on 2020-01-31" in ran.out and "platform" in ran.out


@pytest.mark.parametrize(
    "comment",
    [
        "# duoyun:waive",
        "# duoyun:waive DY-K8S-001",
        "# duoyun:waive DY-K8S-001 owner=a expires=soon reason=b",
        '# duoyun:waive DY-K8S-001 owner=a expires=2999-01-01 reason="never ends',
        "# duoyun:waive DY-K8S-001 owner=a expires=2999-01-01 reason=b until=c",
        "# duoyun:waive owner=a expires=2999-01-01 reason=b",
    ],
)
def test_a_comment_that_waives_nothing_is_no_silence(duoyun: Duoyun, folder: Path, comment: str) -> None:
    (folder / "pod.yaml").write_text(f"{comment}\n{PRIVILEGED}")
    ran = duoyun("policy", "check", "pod.yaml")
    assert ran.code == 3
    assert "pod.yaml:1:1" in ran.out


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ({"path": "pod.yaml"}, 0),
        ({"path": "./pod.yaml"}, 0),
        ({"path": "*.yaml"}, 0),
        ({"path": "other/*"}, 4),
        ({"address": "*/Pod/web"}, 0),
        ({"address": "*/Pod/web", "path": "other/*"}, 4),
        ({}, 3),
    ],
)
def test_a_waiver_file_covers_addresses_and_paths(
    duoyun: Duoyun, folder: Path, place: dict[str, str], code: int
) -> None:
    row = {"id": "W1", "rule": "DY-K8S-001", "reason": "r", "owner": "o", "expires": "2999-01-01", **place}
    (folder / "w.yaml").write_text(json.dumps({"waivers": [row]}))
    assert duoyun("policy", "check", "pod.yaml", "--waivers", "w.yaml").code == code


def test_a_baseline_lets_the_old_pass_and_the_new_be_denied(duoyun: Duoyun, folder: Path) -> None:
    ran = duoyun("policy", "check", "pod.yaml", "--baseline", "b.json", "--write-baseline")
    assert ran.code == 0
    assert "findings written to b.json" in ran.out
    assert '"DY-K8S-001"' in (folder / "b.json").read_text()
    moved = "# a comment that moves every line\n\n" + PRIVILEGED
    (folder / "pod.yaml").write_text(moved)
    ran = duoyun("policy", "check", "pod.yaml", "--baseline", "b.json", "-o", "json")
    assert (ran.code, found(ran)) == (0, {"DY-K8S-001": "known"})
    (folder / "pod.yaml").write_text(moved.replace("containers:", "hostNetwork: true\n  containers:"))
    ran = duoyun("policy", "check", "pod.yaml", "--baseline", "b.json", "-o", "json")
    assert (ran.code, found(ran)) == (4, {"DY-K8S-001": "known", "DY-K8S-002": "denies"})


def test_a_baseline_that_is_none_is_unreadable_input(duoyun: Duoyun, folder: Path) -> None:
    (folder / "b.json").write_text("{}")
    assert duoyun("policy", "check", "pod.yaml", "--baseline", "b.json").code == 3
    assert duoyun("policy", "check", "pod.yaml", "--baseline", "none.json").code == 3


def test_only_what_a_change_touches_denies(duoyun: Duoyun, folder: Path) -> None:
    def git(*args: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *who, *args], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    ran = duoyun("policy", "check", ".", "--changed-since", "HEAD", "-o", "json")
    assert (ran.code, found(ran)) == (0, {"DY-K8S-001": "unchanged"})
    (folder / "new.yaml").write_text(PRIVILEGED.replace("web", "other"))
    assert duoyun("policy", "check", ".", "--changed-since", "HEAD").code == 4
    assert duoyun("policy", "check", ".", "--changed-since", "no-such-revision").code == 1
    assert duoyun("policy", "check", ".", "--changed-since", "--no-index").code == 1


# -- what is not assessed --------------------------------------------------------------------------------------


def test_what_is_not_assessed_denies_in_ci_or_above_the_limit(
    duoyun: Duoyun, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.tf").write_text('resource "aws_thing_of_tomorrow" "x" {\n  open = true\n}\n')
    assert duoyun("policy", "check", "main.tf").code == 0
    assert duoyun("policy", "check", "main.tf", "--max-unassessed", "0").code == 4
    monkeypatch.setenv("CI", "true")
    ran = duoyun("policy", "check", "main.tf")
    assert ran.code == 4
    assert "main.tf:1" in ran.out and "1 not assessed (0 allowed)" in ran.out
    assert duoyun("policy", "check", "main.tf", "--max-unassessed", "1").code == 0


def test_a_setting_that_no_rule_reads_is_told_and_denies_nothing(duoyun: Duoyun, folder: Path) -> None:
    (folder / "main.tf").write_text(
        'resource "aws_eip" "x" {\n  domain = "vpc"\n  setting_of_tomorrow = 3\n  tags = { owner = "us" }\n}\n'
    )
    ran = duoyun("policy", "check", "main.tf", "--max-unassessed", "0")
    assert ran.code == 0
    assert "aws_eip: no rule reads" in ran.out and "setting_of_tomorrow (1)" in ran.out


def security_group(blocks: str) -> str:
    ports = '    from_port = 22\n    to_port = 22\n    protocol = "tcp"\n'
    return f'resource "aws_security_group" "web" {{\n  ingress {{\n{ports}    cidr_blocks = [{blocks}]\n  }}\n}}\n'


def test_a_value_known_only_after_apply_is_counted_as_not_assessed(duoyun: Duoyun, folder: Path) -> None:
    (folder / "main.tf").write_text('variable "who" {}\n' + security_group("var.who"))
    ran = duoyun("policy", "check", "main.tf", "--max-unassessed", "0", "-o", "json")
    data = json.loads(ran.out)
    assert ran.code == 4
    assert found(ran)["DY-NET-001"] == "unknown"
    assert data["unassessed"]["count"] >= 1
    assert duoyun("policy", "check", "main.tf").code == 0


AZURE_RULE = """resource "azurerm_network_security_group" "web" {
  name                = "web"
  location            = "chinanorth3"
  resource_group_name = "rg"
  security_rule {
    name                       = "ssh"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "%s"
    source_address_prefix      = "%s"
    destination_address_prefix = "*"
  }
}
"""
ALIBABA_RULE = """resource "alicloud_security_group" "web" {
  security_group_name = "web"
}

resource "alicloud_security_group_rule" "ssh" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  policy            = "accept"
  port_range        = "%s"
  cidr_ip           = "%s"
}
"""
CHANGES = {
    "aws": (security_group('"10.0.0.0/8"'), security_group('"0.0.0.0/0"'), 2),
    "azure": (AZURE_RULE % ("22", "10.0.0.0/8"), AZURE_RULE % ("22", "0.0.0.0/0"), 5),
    "alibaba": (ALIBABA_RULE % ("22/22", "10.0.0.0/8"), ALIBABA_RULE % ("22/22", "0.0.0.0/0"), 5),
}


@pytest.mark.parametrize("cloud", CHANGES)
def test_the_articles_change_is_refused_at_its_line(duoyun: Duoyun, folder: Path, cloud: str) -> None:
    before, after, line = CHANGES[cloud]
    (folder / "main.tf").write_text(before)
    assert duoyun("policy", "check", "main.tf").code == 0
    (folder / "main.tf").write_text(after)
    ran = duoyun("policy", "check", "main.tf", "--report", "sarif=x.sarif", "-o", "json")
    (finding,) = [f for f in json.loads(ran.out)["findings"] if f["rule"] == "DY-NET-001"]
    assert ran.code == 4
    assert (finding["standing"], finding["file"]) == ("denies", "main.tf")
    results = json.loads((folder / "x.sarif").read_text())["runs"][0]["results"]
    (told,) = [r for r in results if r["ruleId"] == "DY-NET-001"]
    where = told["locations"][0]["physicalLocation"]
    assert (told["level"], where["artifactLocation"]["uri"]) == ("error", "main.tf")
    assert where["region"]["startLine"] >= line


# -- users' rules ----------------------------------------------------------------------------------------------

RULE = """# METADATA
# title: No latest
# custom:
#   id: ACME-IMG-001
#   severity: high
#   mend: Name a version.
#   kinds: [kubernetes_object]
package acme.img_001

import rego.v1

violations contains {"address": doc.address, "message": "ours"} if some doc in input.documents
"""


def test_a_folder_of_ones_own_rules_is_judged_listed_explained_and_tested(duoyun: Duoyun, folder: Path) -> None:
    (folder / "rules").mkdir()
    (folder / "rules" / "img.rego").write_text(RULE)
    more = ["--bundle", "rules"]
    assert "ACME-IMG-001" in duoyun("policy", "check", "fine.yaml", *more).out
    assert "ACME-IMG-001" in duoyun("policy", "list", *more).out
    assert json.loads(duoyun("policy", "explain", "acme-img-001", *more, "-o", "json").out)["mend"] == "Name a version."
    assert duoyun("policy", "explain", "ACME-IMG-001").code == 3
    ran = duoyun("policy", "test", "rules")
    assert (ran.code, ran.out.count("it has no such example")) == (1, 2)
    good: dict[str, Any] = {"pass": [[]], "fail": [[{"kind": "kubernetes_object", "address": "a"}]]}
    (folder / "rules" / "img.examples.yaml").write_text(json.dumps(good))
    assert duoyun("policy", "test", "rules").code == 0
    (folder / "rules" / "img.examples.yaml").write_text(json.dumps({"pass": good["fail"], "fail": good["pass"]}))
    assert duoyun("policy", "test", "rules").code == 1
    (folder / "rules" / "img.rego").write_text(RULE.replace("input.documents", 'input.documents; x := crypto.md5("")'))
    assert duoyun("policy", "check", "fine.yaml", *more).code == 3
    assert duoyun("policy", "check", "fine.yaml", "--bundle", "no-such-folder").code == 3


def test_the_fleet_among_the_files_gives_parameters_waivers_and_bundles(duoyun: Duoyun, folder: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "miniprogram" / "fleet.yaml"
    text = example.read_text()
    head, _, rest = text.partition("\nspec:\n")
    row = {"id": "W1", "rule": "DY-K8S-001", "address": "*", "reason": "r", "owner": "o", "expires": "2999-01-01"}
    (folder / "w.yaml").write_text(json.dumps({"waivers": [row]}))
    lines = rest.splitlines()
    assert not any(line.startswith("  policies:") for line in lines)
    policies = "  policies:\n    waivers: w.yaml\n    parameters: {DY-K8S-005: {fields: [limits.cpu]}}\n"
    (folder / "fleet.yaml").write_text(f"{head}\nspec:\n{policies}{rest}")
    ran = duoyun("policy", "check", "pod.yaml", "fleet.yaml", "-o", "json")
    assert found(ran) == {"DY-K8S-001": "waived", "DY-K8S-005": "shown"}
    assert found(duoyun("policy", "check", "pod.yaml", "--fleet", "fleet.yaml", "-o", "json")) == found(ran)


def test_the_shipped_rules_pass_their_own_examples(duoyun: Duoyun) -> None:
    ran = duoyun("policy", "test", "-o", "json")
    data = json.loads(ran.out)
    assert (ran.code, data["failures"]) == (0, [])
    assert data["examples"] > 2 * data["rules"] > 50
