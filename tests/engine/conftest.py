from __future__ import annotations

import importlib.util
import sys
import threading
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


for helper in ("fake_provider", "plans"):
    _load(helper)

import fake_provider  # noqa: E402
import plans  # noqa: E402

from model.ports import Event  # noqa: E402
from orchestrator.engine.engine import Engine  # noqa: E402
from orchestrator.engine.options import EngineOptions  # noqa: E402
from orchestrator.store import LeaseKeeper, Store, SystemClock, open_store  # noqa: E402


class Events:
    def __init__(self) -> None:
        self.all: list[Event] = []
        self.wanted: dict[str, threading.Event] = {}

    def emit(self, event: Event) -> None:
        self.all.append(event)

    def kinds(self, action_id: str) -> list[str]:
        return [e.kind for e in self.all if e.data["action"] == action_id]


class Bench:
    """A store, a fake cloud, a lease and an engine, ready to execute."""

    def __init__(self, url: str) -> None:
        self.clock = SystemClock()
        self.store: Store = open_store(url, self.clock)
        self.cloud = fake_provider.FakeCloud()
        self.events = Events()
        self.provider = fake_provider.FakeProvider(self.cloud)
        self.targets = lambda _address: self.provider
        self.options = EngineOptions(retry_base_s=0.01, retry_cap_s=0.05, tick_s=0.02, stop_grace_s=5.0)
        self.forgotten: list[object] = []
        self.keeper = self.lease()

    def lease(self, holder: str = "ann", ttl_s: float = 30.0) -> LeaseKeeper:
        return LeaseKeeper(self.store.leases, self.store.leases.acquire(plans.SCOPE, holder, ttl_s), self.clock)

    def new_lease(self) -> None:
        self.store.leases.unlock(plans.SCOPE, "test")
        self.keeper = self.lease()

    def engine(self) -> Engine:
        return Engine(
            self.store, self.targets, self.clock, self.events, self.options, forget_target=self.forgotten.append
        )

    def run(self, plan, revision: int = 2, cancelled=lambda: False, engine: Engine | None = None):
        if engine is not None:
            return engine.execute(plan, revision, self.keeper, cancelled)
        with self.engine() as own:
            return own.execute(plan, revision, self.keeper, cancelled)

    def records(self):
        return {str(r.address): r for r in self.store.inventory.list(plans.SCOPE)}


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
