"""A store, a fake cloud, a lease and an engine, ready to execute. Callers: the engine's tests."""

from __future__ import annotations

import threading

import fake_provider
import plans

from model.ports import Event
from orchestrator.engine.engine import Engine
from orchestrator.engine.options import EngineOptions
from orchestrator.store import LeaseKeeper, Store, SystemClock, open_store


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
