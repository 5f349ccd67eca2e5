"""kill -9 at every boundary between two actions, in a real deployment on three clouds: nothing twice, no orphan.

tests/engine does the same to the engine on a fake cloud, at every place inside an action; here the adapters, their
idempotency and the clouds' own rules are in it. `make soak` kills at every checkpoint, also one deployment each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.e2e]


@pytest.fixture
def driver(duoyun: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs kill_driver.py; what it found."""

    def run(how: str, *args: str) -> dict[str, Any]:
        folder = tmp_path / "worlds"
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("kill_driver.py"), how, duoyun.files, folder, *args],
            env=duoyun.environment | {"PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert "failed" not in told, f"{told['failed']}\n{done.stderr[-4000:]}"
        return dict(told)

    return run


@pytest.mark.timeout(600)
def test_killed_at_every_boundary_between_actions(driver: Callable[..., dict[str, Any]]) -> None:
    told = driver("successive")
    assert told["resources"] > 20
    assert told["boundaries"] == 39
    # An action that had just ended when another one's end killed the process is not ended again.
    assert told["kills"] >= 25
    assert told["kills_destroying"] >= 25


@pytest.mark.timeout(600)
def test_killed_once_somewhere_inside_an_action(driver: Callable[..., dict[str, Any]]) -> None:
    """At seeded places; every second time a new deploy goes on instead of a resume."""
    assert driver("single", "--count", "4", "--seed", "20261123")["kills"] == 4


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_at_every_checkpoint(driver: Callable[..., dict[str, Any]]) -> None:
    told = driver("successive", "--all")
    assert told["kills"] > 250


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_checkpoint_has_a_deployment_that_is_killed_there(
    driver: Callable[..., dict[str, Any]], seed: int
) -> None:
    """seed decides which of them are gone on with by a resume and which by a new deploy."""
    seed += int(os.environ.get("DUOYUN_SOAK_SEED", "0"))
    assert driver("single", "--seed", str(seed))["kills"] > 300
