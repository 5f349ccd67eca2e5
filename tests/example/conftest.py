"""The example, loaded once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.load import Loaded, load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def example() -> Loaded:
    return load(ROOT / "examples" / "miniprogram")


@pytest.fixture(scope="session")
def reference_data() -> Path:
    path = Path(os.environ.get("DUOYUN_REFERENCE_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip("reference data is absent")
    return path
