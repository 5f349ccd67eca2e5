"""The shipped schedules: valid, least privilege, secrets by reference, and commands that our command line takes."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "schedules"


def takes(command: str) -> None:
    """Our command line knows the command and every option of it."""
    words = shlex.split(command.split(">", maxsplit=1)[0])
    assert words[0].rsplit("/", 1)[-1] == "duoyun"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DUOYUN_")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "duoyun.py"), *words[1:]],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    # The files are not there, which is found out only after every option was understood.
    assert done.returncode == 3, done.stdout + done.stderr


def test_the_cron_job_is_valid_strict_and_takes_no_rights() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    documents = list(yaml.safe_load_all((FOLDER / "kubernetes-cronjob.yaml").read_text()))
    for document in documents:
        kubernetes_validate.validate(document, "1.31", strict=True)
    job: dict[str, Any] = documents[1]["spec"]
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    assert job["concurrencyPolicy"] == "Forbid"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "secretKeyRef" in next(e for e in container["env"] if e["name"] == "DUOYUN_STORE")["valueFrom"]
    takes(shlex.join(container["command"]))


def test_the_systemd_units_parse_and_run_our_command() -> None:
    service, timer = configparser.RawConfigParser(strict=False), configparser.RawConfigParser()
    service.optionxform = timer.optionxform = str  # type: ignore[assignment,method-assign]
    service.read(FOLDER / "systemd" / "duoyun-drift.service")
    timer.read(FOLDER / "systemd" / "duoyun-drift.timer")
    assert service["Service"]["Type"] == "oneshot", "a oneshot never overlaps itself"
    assert "EnvironmentFile" in service["Service"]
    assert timer["Timer"]["OnCalendar"]
    takes(service["Service"]["ExecStart"])


def test_the_workflow_is_read_only_and_names_secrets() -> None:
    text = (FOLDER / "github-actions.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    steps = workflow["jobs"]["scan"]["steps"]
    (scan,) = [s for s in steps if s.get("name") == "scan"]
    assert all(re.fullmatch(r"\$\{\{ secrets\.\w+ \}\}", value) for value in scan["env"].values())
    takes(scan["run"])
