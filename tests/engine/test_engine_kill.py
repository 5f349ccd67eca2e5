"""SIGKILL at the boundaries of every action, then a resume: the cloud ends as if nothing had happened.

All boundaries between actions and a sample of those inside them in every run; all of them, and second kills during the
resume, in the soak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "kill_run.py"


def kill_run(url: str, folder: Path, *options: str, timeout_s: float) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-W", "error", PROGRAM, url, folder, *options],
        capture_output=True, text=True, timeout=timeout_s, check=False,
        env=os.environ | {"PYTHONPATH": str(PROGRAM.parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    assert report["failures"] == {}, f"{report}\n{done.stderr[-4000:]}"
    return report


def test_every_boundary_between_actions(tmp_path):
    report = kill_run(f"sqlite:///{tmp_path}", tmp_path / "kill", "--boundaries", timeout_s=110)
    assert report["killed"] == report["runs"] == 12


def test_a_sample_of_places_inside_actions(tmp_path):
    report = kill_run(f"sqlite:///{tmp_path}", tmp_path / "kill", "--sample", "8", "--seed", "1", timeout_s=110)
    assert report["places"] > 100 and report["killed"] == 8


@pytest.mark.postgres
def test_a_sample_of_places_on_postgres(tmp_path, postgres_url):
    report = kill_run(postgres_url, tmp_path / f"kill{postgres_url[-8:]}", "--sample", "5", timeout_s=110)
    assert report["places"] > 100 and report["killed"] == 5


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("twice", [False, True])
def test_every_place(tmp_path, store_url, seed, twice):
    url = f"sqlite:///{tmp_path}" if store_url.startswith("sqlite") else store_url
    options = ["--seed", str(seed)] + (["--twice"] if twice else [])
    report = kill_run(url, tmp_path / f"kill{abs(hash(store_url)) % 10**8}", *options, timeout_s=1700)
    assert report["runs"] == report["places"] and report["killed"] >= report["places"]
