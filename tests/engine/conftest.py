from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def _load(name: str) -> None:
    """Helper modules of this folder, under names that no other folder's can take."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


for helper in ("fake_provider", "plans", "engine_bench"):
    _load(helper)

from engine_bench import Bench  # noqa: E402


@pytest.fixture
def bench(store_url) -> Iterator[Bench]:
    made = Bench(store_url)
    yield made
    made.store.close()


@pytest.fixture
def local_bench(tmp_path) -> Iterator[Bench]:
    """On SQLite only, for what does not depend on the database."""
    made = Bench(f"sqlite:///{tmp_path / 'state.db'}")
    yield made
    made.store.close()
