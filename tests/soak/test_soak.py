"""The soak's sample for every run of the tests, on paper; the whole of it is `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def soaked(*args: str) -> str:
    """The program's output; its exit code is 0 where every invariant held after every run."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("soak.py"), *args],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_a_sample_of_the_soak() -> None:
    told = soaked("--paper", "--runs", "6", "--workers", "1", "--seed", "20261124", "--first", "11")
    assert "FINDING" not in told
    assert "seed 20261124" in told


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_a_sample_on_the_three_clouds() -> None:
    told = soaked("--runs", "12", "--workers", "1", "--seed", "20261124", "--first", "13")
    assert "on the three clouds" in told
