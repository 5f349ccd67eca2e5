"""Where the reference data lies, and a cluster of the sandbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The shared reference data; tests that need it are skipped by name where it is absent."""
    folder = Path(os.environ.get("DUOYUN_REFERENCE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"reference data is not there: {folder}")
    return folder
