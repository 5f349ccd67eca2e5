"""The command line starts light, refuses foreign packages, and ends with the documented codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import main

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "boto3",
    "botocore",
    "azure",
    "aliyunsdkcore",
    "kubernetes",
    "highspy",
    "ortools",
    "pandas",
    "numpy",
    "dbos",
    "sqlalchemy",
    "cryptography",
    "jwt",
    "regorus",
    "opa_client",
    "pydantic",
)


def duoyun(
    *args: str, env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    base = {k: v for k, v in os.environ.items() if not k.startswith("DUOYUN_")} | {"COLUMNS": "120", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, str(ROOT / "duoyun.py"), *args],
        capture_output=True,
        text=True,
        env=base | (env or {}),
        cwd=cwd or ROOT,
        timeout=timeout,
        check=False,
    )


def test_start_up_imports_no_sdk_solver_database_or_validator() -> None:
    code = (
        "import sys; sys.argv = ['duoyun', '--help']\n"
        "import duoyun\n"
        "try:\n    duoyun.main()\nexcept SystemExit as exc:\n    assert not exc.code, exc.code\n"
        f"heavy = {HEAVY!r}\n"
        "print('LOADED', sorted(m for m in sys.modules if m.split('.')[0] in heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_a_group_that_is_imported_alone_registers_itself_and_nothing_else() -> None:
    import importlib

    import typer

    for name in main.ALONE:
        app = typer.Typer()
        importlib.import_module(f"cli.{name}").register(app)
        assert [g.name for g in app.registered_groups] == [name]
        assert not app.registered_commands


def test_a_check_of_files_imports_neither_the_specs_nor_a_terraform_table_that_it_does_not_need(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "aws_ebs_volume" "a" {\n  encrypted = true\n}\n')
    code = (
        f"import sys; sys.argv = ['duoyun', 'policy', 'check', {str(tmp_path)!r}]\n"
        "import duoyun\n"
        "try:\n    duoyun.main()\nexcept SystemExit as exc:\n    assert not exc.code, exc.code\n"
        "print('LOADED', *(m for m in sys.modules if m.startswith(('model.spec.', 'providers.', 'cli.', 'rich.'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "providers.aws.terraform" in loaded
    assert not [m for m in loaded if m.startswith(("model.spec.fleet", "providers.azure", "providers.alibaba"))]
    assert not loaded & {"cli.releases", "cli.drift", "rich.console"}


@pytest.mark.parametrize("name", ["scheduler", "model", "cli"])
def test_a_foreign_package_of_one_of_our_names_is_refused_by_path(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported a foreign package')\n")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import duoyun; duoyun.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 70
    assert str(tmp_path / name) in done.stderr
    assert "mend:" in done.stderr
    assert "imported a foreign package" not in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["plan", "--no-such-flag"],
        ["nonsense"],
        ["drift", "scan", "--no-such-flag"],
        ["sandbox", "sideways"],
        ["schema", "nothing"],
        ["history", "--limit", "0"],
        ["-o", "yaml", "plan"],
    ],
)
def test_wrong_usage_is_64_for_every_command(args: list[str]) -> None:
    done = duoyun(*args)
    assert done.returncode == 64, done.stderr
    assert "error:" in done.stderr
    assert done.stdout == ""


def test_json_failure_is_one_object_on_stdout_and_the_only_thing_there(tmp_path: Path) -> None:
    done = duoyun("validate", str(tmp_path / "none.yaml"), "-o", "json")
    data = json.loads(done.stdout)
    assert done.returncode == data["exit_code"] == 3
    assert data["reason"] == "invalid_input"
    assert data["retryable"] is False
    assert data["diagnostics"]


def test_output_flag_works_before_and_after_the_command() -> None:
    before = duoyun("-o", "json", "validate", "examples/miniprogram")
    after = duoyun("validate", "examples/miniprogram", "-o", "json")
    assert json.loads(before.stdout) == json.loads(after.stdout)
    assert json.loads(after.stdout)["services"] == 27


def test_environment_stands_in_for_flags_but_never_for_consent() -> None:
    done = duoyun("validate", env={"DUOYUN_OUTPUT": "json", "DUOYUN_APP": "examples/miniprogram"})
    assert json.loads(done.stdout)["replicas"] == 64
    text = duoyun("deploy", "--help").stdout
    for consent in ("DUOYUN_YES", "DUOYUN_CONFIRM", "DUOYUN_REMEDIATE", "DUOYUN_LOCAL_STATE"):
        assert consent not in text


@pytest.mark.parametrize("kind", ["app", "fleet", "assumptions"])
def test_schemas_are_json_schema(kind: str) -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json.loads(duoyun("schema", kind).stdout))


def test_without_a_sandbox_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    done = duoyun("plan", "examples/starter", env={"HOME": str(tmp_path), "XDG_STATE_HOME": ""})
    assert done.returncode == 75
    assert "duoyun sandbox up" in done.stderr
