"""Loading files and what the loaded values say; the JSON Schema; assumptions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from model.errors import InvalidInput
from model.exit_codes import ExitCode
from model.spec.load import Spec, json_schema, load_documents
from orchestrator.load import load

ASSUMPTIONS = """\
apiVersion: duoyun.dev/v1
kind: Assumptions
metadata: {name: small}
spec:
  date: "2026-01-01"
  prices:
    - {regions: [aws/ap-southeast-1], instance_type: m6i.large, price_per_hour: 1.5, currency: USD, formula: a guess}
  egress:
    - {from: aws, to: internet, price_per_gb: 0.5, currency: USD, formula: a guess}
"""


@pytest.fixture
def folder(tmp_path: Path, app_text: str, fleet_text: str) -> Path:
    (tmp_path / "app.yaml").write_text(app_text)
    (tmp_path / "fleet.yaml").write_text(fleet_text)
    return tmp_path


def told(action: Callable[[], object]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        action()
    assert caught.value.exit_code is ExitCode.INVALID_INPUT
    assert all(d.mend for d in caught.value.diagnostics), caught.value.diagnostics
    return [str(d) for d in caught.value.diagnostics]


def test_folder_or_files(folder: Path) -> None:
    by_folder = load(folder)
    by_files = load(folder / "app.yaml", folder / "fleet.yaml")
    assert by_folder == by_files
    assert by_folder.app.name == "shop"
    assert next(by_folder.fleet.sites()).id == "aws/ap-southeast-1a"
    assert by_folder.app_sha256 != by_folder.fleet_sha256
    assert by_folder.documents["Application"].position(("spec", "services", 1, "name")).endswith("app.yaml:14:13")


def test_both_in_one_file(folder: Path, app_text: str, fleet_text: str) -> None:
    both = folder / "both.yaml"
    both.write_text(fleet_text + "---\n" + app_text)
    found = load(both, both)
    assert found.app == load(folder).app
    assert found.app_sha256 == found.fleet_sha256


def test_the_hash_follows_the_text(folder: Path) -> None:
    before = load(folder)
    (folder / "app.yaml").write_text((folder / "app.yaml").read_text() + "# a remark\n")
    after = load(folder)
    assert after.app == before.app
    assert after.app_sha256 != before.app_sha256
    assert after.fleet_sha256 == before.fleet_sha256


def test_missing_file_suggests_a_near_one(folder: Path) -> None:
    assert "did you mean `app.yaml`?" in told(lambda: load(folder / "ap.yaml"))[0]
    assert "there is no such file" in told(lambda: load(folder / "app.yaml", folder / "none" / "fleet.yaml"))[0]


def test_all_unreadable_files_are_told_at_once(tmp_path: Path) -> None:
    assert len(told(lambda: load(tmp_path / "x.yaml", tmp_path / "y.yaml"))) == 2


def test_unreadable_things(folder: Path) -> None:
    (folder / "binary.yaml").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff")
    (folder / "nul.yaml").write_bytes(b"a: \x00")
    (folder / "big.yaml").write_bytes(b"#" * (8 * 2**20 + 1))
    (folder / "folder.yaml").mkdir()
    assert "is not UTF-8 text" in told(lambda: load(folder / "binary.yaml"))[0]
    assert "is no text file" in told(lambda: load(folder / "nul.yaml"))[0]
    assert "larger than 8 MiB" in told(lambda: load(folder / "big.yaml"))[0]
    assert "there is no such file" in told(lambda: load(folder / "folder.yaml"))[0]
    assert "its name is no path" in told(lambda: load("a\0b", folder / "fleet.yaml"))[0]
    assert "cannot be read" in told(lambda: load("x" * 5000, folder / "fleet.yaml"))[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file(folder: Path) -> None:
    (folder / "app.yaml").chmod(0)
    assert "we may not read it" in told(lambda: load(folder))[0]


def test_bom_and_windows_lines(folder: Path, app_text: str) -> None:
    (folder / "app.yaml").write_bytes(b"\xef\xbb\xbf" + app_text.replace("\n", "\r\n").encode())
    assert load(folder).app.name == "shop"


def test_assumptions_beside_the_fleet(folder: Path, fleet_text: str) -> None:
    without = load(folder).fleet_sha256
    (folder / "fleet.yaml").write_text(fleet_text.replace("  links:", "  assumptions: guesses.yaml\n  links:"))
    assert "there is no such file" in told(lambda: load(folder))[0]
    (folder / "guesses.yaml").write_text(ASSUMPTIONS)
    found = load(folder)
    assert found.assumptions.spec.prices[0].price_per_hour == 1.5
    assert found.fleet_sha256 != without
    (folder / "guesses.yaml").write_text(ASSUMPTIONS.replace("1.5", "0"))
    assert "must be more than 0" in told(lambda: load(folder))[0]
    (folder / "fleet.yaml").write_text(fleet_text.replace("  links:", "  assumptions: ../guesses.yaml\n  links:"))
    assert "outside the fleet's folder" in told(lambda: load(folder))[0]


def test_mistakes_of_app_and_assumptions_together(folder: Path, fleet_text: str, app_text: str) -> None:
    (folder / "app.yaml").write_text(app_text.replace("replicas: 2", "replicas: 0"))
    (folder / "fleet.yaml").write_text(fleet_text.replace("  links:", "  assumptions: guesses.yaml\n  links:"))
    (folder / "guesses.yaml").write_text(ASSUMPTIONS + "  rtt: []\n")
    found = told(lambda: load(folder))
    assert len(found) == 2
    assert "unknown key `rtt` in `spec` (did you mean `rtt_ms`?)" in found[1]


def test_manifests(folder: Path, app_text: str) -> None:
    listed = app_text.replace("replicas: 2", "manifests: [extra.yaml]", 1)
    (folder / "app.yaml").write_text(listed)
    assert "app.yaml:8:19: " in told(lambda: load(folder))[0]
    (folder / "extra.yaml").write_text("kind: ConfigMap\n")
    assert load(folder).manifests == {"extra.yaml": "kind: ConfigMap\n"}
    (folder / "app.yaml").write_text(listed.replace("extra.yaml", "/etc/passwd"))
    assert "outside the application's folder" in told(lambda: load(folder))[0]


def test_warnings_do_not_refuse(read: Callable[..., Spec], app_text: str) -> None:
    app = app_text.replace("zones: [any]", "zones: [CN]").replace(
        "port: 8080}]\n      data", "port: 8080, public: true}]\n      data"
    )
    found = read(app=app)
    assert [w.severity for w in found.warnings] == ["warning"]
    assert "ICP" in found.warnings[0].what


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (
            "currency: USD, formula: a guess}\n  egress",
            "currency: CNY, formula: a guess}\n  egress",
            "no exchange rate for CNY",
        ),
        ("formula: a guess}\n  egress", "formula: ''}\n  egress", "`formula` is empty"),
        ("currency: USD, formula: a guess}\n  egress", "currency: USD}\n  egress", "has no `formula`"),
        ("formula: a guess}\n  egress", "formula: a, assumed: false}\n  egress", "`assumed` must be one of"),
        (
            "  egress:",
            "    - {regions: [aws/ap-southeast-1], instance_type: m6i.large, price_per_hour: 2,"
            " currency: USD, formula: b}\n  egress:",
            "is already there",
        ),
    ],
)
def test_wrong_assumptions(mistakes: Callable[..., list[str]], old: str, new: str, part: str) -> None:
    found = mistakes(assumptions=ASSUMPTIONS.replace(old, new, 1))
    assert len(found) == 1, found
    assert part in found[0]


def test_assumption_about_a_place_that_the_fleet_lacks_warns(read: Callable[..., Spec]) -> None:
    found = read(assumptions=ASSUMPTIONS.replace("regions: [aws/ap-southeast-1]", "regions: [aws/ap-southeast-2]"))
    assert [w.position for w in found.warnings] == ["assumptions.yaml:7:18"]


@pytest.mark.parametrize("kind", ["app", "fleet", "assumptions"])
def test_json_schema_is_valid_and_knows_users_names(kind: str) -> None:
    schema = json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    json.dumps(schema)
    assert "apiVersion" in schema["properties"]
    assert schema["additionalProperties"] is False


def test_json_schema_accepts_what_loads(app_text: str, fleet_text: str) -> None:
    for kind, text in (("app", app_text), ("fleet", fleet_text), ("assumptions", ASSUMPTIONS)):
        jsonschema.Draft202012Validator(json_schema(kind)).validate(yaml.safe_load(text))
    wrong = yaml.safe_load(app_text)
    wrong["spec"]["services"][0]["replicsa"] = 1
    assert not jsonschema.Draft202012Validator(json_schema("app")).is_valid(wrong)


def test_unknown_schema() -> None:
    with pytest.raises(KeyError):
        json_schema("plan")


def test_readiness_in_force(read: Callable[..., Spec], app_text: str) -> None:
    app = app_text.replace(
        "      ports: [{name: http, port: 8080}]\n      data_class: internal", "      data_class: internal"
    )
    services = read(app=app).app.spec.services
    assert services[0].readiness is not None
    assert services[1].readiness is None


def test_spec_imports_no_cloud() -> None:
    code = (
        "import sys, model.spec.load, orchestrator.load;"
        "sdks = {'boto3', 'azure', 'aliyunsdkcore', 'dbos', 'kubernetes', 'highspy', 'regorus'};"
        "print([m for m in sys.modules if m.split('.')[0] in sdks])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_two_thousand_services_in_one_chain_load(app_text: str, fleet_text: str) -> None:
    head, rest = app_text.split("    - name: web\n")
    one = "    - {name: s%d, image: r/s:1, resources: {cpu: 10m, memory: 16Mi}, data_class: public, zones: [any]%s}\n"
    many = "".join(one % (i, f", depends_on: [{{name: s{i - 1}}}]" if i else "") for i in range(2000))
    found = load_documents([("a", head + many + "    - name: web\n" + rest), ("f", fleet_text)])
    assert len(found.app.spec.services) == 2002


def test_how_a_cluster_is_reached_is_checked(read: Callable[..., Spec], fleet_text: str) -> None:
    own = "cluster: {ownership: own}"
    good = (
        "cluster: {kubeconfig: a.yaml, proxy_url: 'http://proxy:3128', endpoint: 'https://10.1.1.1', ca_bundle: ca.pem}"
    )
    assert read(fleet=fleet_text.replace(own, good, 1)).warnings == read(fleet=fleet_text).warnings
    wrong = "cluster: {ownership: own, kubeconfig: a.yaml, endpoint: 'http://10.1.1.1'}"
    with pytest.raises(InvalidInput) as caught:
        read(fleet=fleet_text.replace(own, wrong, 1))
    said = str(caught.value.detail)
    assert "a kubeconfig is for one that is there" in said
    assert "http would send credentials in the clear" in said
