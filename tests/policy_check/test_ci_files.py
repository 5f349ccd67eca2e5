"""The files that users' CI systems read: parsed, and the command that each holds is run as that system would run it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shell(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs a script as a CI system does; `duoyun`, `pip` and `python3 -m venv` are ours, nothing is downloaded."""
    tools = tmp_path_factory.mktemp("tools")

    def tool(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    duoyun = f'exec {sys.executable} {ROOT / "duoyun.py"} "$@"'
    tool(tools / "duoyun", duoyun)
    tool(tools / "python3", "exit 0")
    for venv in (tools / "duoyun-venv" / "duoyun", folder / ".duoyun"):
        tool(venv / "bin" / "duoyun", duoyun)
        tool(venv / "bin" / "pip", "exit 0")

    def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DUOYUN_")}
        env = kept | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(tools / "duoyun-venv"),
            "CI": "true",
            **variables,
        }
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False
        )

    return run


def test_the_github_action_annotates_writes_sarif_and_ends_as_the_check_does(shell: Any, folder: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    steps = action["runs"]["steps"]
    assert action["runs"]["using"] == "composite"
    assert all(s["shell"] == "bash" for s in steps)
    assert not any("${{" in s["run"] for s in steps), "an input in a script is an injection"
    inputs = action["inputs"]

    def variables(step: dict[str, Any], **given: str) -> dict[str, str]:
        names = {k: re.fullmatch(r"\$\{\{ inputs\.(.+) \}\}", v) for k, v in step["env"].items()}
        assert all(m is None or m[1] in inputs for m in names.values())
        return {k: given.get(m[1], inputs[m[1]]["default"]) for k, m in names.items() if m is not None}

    assert shell(steps[0]["run"], ACTION_PATH=str(ROOT)).returncode == 0
    denied = shell(steps[1]["run"], **variables(steps[1], paths="pod.yaml fine.yaml"))
    assert denied.returncode == 4, denied.stderr
    assert "::error file=pod.yaml,line=6," in denied.stdout
    sarif = json.loads((folder / inputs["sarif"]["default"]).read_text())
    assert sarif["runs"][0]["results"]
    fine = variables(steps[1], paths="fine.yaml")
    assert shell(steps[1]["run"], **fine).returncode == 0
    nasty = {**fine, "PATHS": "fine.yaml; touch injected"}
    assert shell(steps[1]["run"], **nasty).returncode == 3
    assert not (folder / "injected").exists()


def test_the_pre_commit_hook_checks_the_files_it_is_given(shell: Any) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["language"] == "python"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert hook["additional_dependencies"] == extras["policy"]
    assert shell(f"{hook['entry']} fine.yaml").returncode == 0
    assert shell(f"{hook['entry']} pod.yaml fine.yaml").returncode == 4


def test_the_gitlab_template_writes_what_it_says_it_reports(shell: Any, folder: Path) -> None:
    template = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab.yml").read_text())
    job = template["duoyun-policy-check"]
    assert shell("\n".join(job["before_script"]), **template["variables"]).returncode == 0
    (script,) = job["script"]
    done = shell(script, **{**template["variables"], "DUOYUN_PATHS": "pod.yaml"})
    assert done.returncode == 4, done.stderr
    for name in job["artifacts"]["reports"].values():
        assert "DY-K8S-001" in (folder / name).read_text()
    assert job["artifacts"]["when"] == "always"


def test_the_jenkinsfile_runs_and_publishes_what_it_writes(shell: Any, folder: Path) -> None:
    text = (ROOT / "docs" / "ci" / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    install, check = re.findall(r"^\s*sh '(.*)'$", text, re.MULTILINE)
    assert shell(install, DUOYUN_PACKAGE="duoyun").returncode == 0
    done = shell(check)
    assert done.returncode == 4, done.stderr
    (junit,) = re.findall(r"testResults: '([^']+)'", text)
    (archived,) = re.findall(r"artifacts: '([^']+)'", text)
    assert "<failure" in (folder / junit).read_text()
    assert json.loads((folder / archived).read_text())["version"] == "2.1.0"
