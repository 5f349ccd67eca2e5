"""Puts together what a release runs with: the lease, the engine, the adapters as the engine sees them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from model.plan import Plan
from model.ports import Event, EventSink
from model.resources import Address
from orchestrator.carry_out import Runner
from orchestrator.engine.engine import Engine
from orchestrator.engine.options import EngineOptions
from orchestrator.executing import ExecutingTarget
from orchestrator.leasing import leased, whoami
from orchestrator.planning import Context
from orchestrator.remembering import remembering
from orchestrator.vantages import listening, settings_from
from orchestrator.workspace import known_addresses
from providers.base import Provider


def _silent(_title: str, _plan: Plan) -> None:
    """Nobody watches."""


@contextmanager
def running(
    context: Context,
    events: EventSink,
    *,
    lock_timeout_s: float = 0.0,
    options: EngineOptions | None = None,
    bake_s: float = 5.0,
    on_phase: Callable[[str, Plan], None] = _silent,
) -> Iterator[Runner]:
    """Holds the application's lease until the block ends. Raises LeaseHeld where somebody else does."""
    clock = context.store.db.clock
    options = options or EngineOptions()
    services = {s.name: s for s in context.loaded.app.spec.services}

    def targets(address: Address) -> Provider:
        inner = context.targets(address)
        known = lambda: known_addresses(context.store, context.scope)  # noqa: E731
        return ExecutingTarget(
            inner, known, services, context.loaded.app.namespace, vantages, remembered, str(context.scope)
        )

    def tell(line: str) -> None:
        events.emit(Event("waiting", clock.now_s(), {"text": line}))

    hub = settings_from(os.environ)
    ttl_s = context.loaded.fleet.spec.state.lease
    with (
        listening(hub, tell) if hub else nullcontext() as vantages,
        remembering(context.store.probes, clock, tell=tell) as remembered,
        leased(context.store, context.scope, clock, ttl_s=ttl_s, wait_s=lock_timeout_s) as keeper,
        Engine(context.store, targets, clock, events, options, forget_target=context.targets.forget_cluster) as engine,
    ):
        yield Runner(
            context=context,
            engine=engine,
            keeper=keeper,
            clock=clock,
            events=events,
            actor=whoami(),
            options=options,
            bake_s=bake_s,
            on_phase=on_phase,
        )
