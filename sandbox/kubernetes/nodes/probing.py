"""The probes of one running container, as a kubelet times them.

Callers: nodes.worker. The startup probe comes first; readiness and liveness follow it side by side, until cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from sandbox.kubernetes.nodes.probes import Probe
from sandbox.world import Container


@runtime_checkable
class Mapped(Protocol):
    """A container whose port may really listen under another number."""

    def endpoint(self, port: int) -> tuple[str, int]: ...


class Probing:
    """http: whether the container speaks it. set_state(started=, ready=), warn(message), kill(which probe failed)."""

    def __init__(
        self,
        container: Container,
        *,
        http: bool,
        set_state: Callable[..., None],
        is_ready: Callable[[], bool],
        warn: Callable[[str], None],
        kill: Callable[[str], None],
    ) -> None:
        self._container, self._http = container, http
        self._set, self._is_ready, self._warn, self._kill = set_state, is_ready, warn, kill

    async def run(self, spec: Mapping[str, Any], begun: asyncio.Event | None) -> None:
        """begun: set once the startup probe has passed."""
        startup, readiness, liveness = (Probe.of(spec, f"{kind}Probe") for kind in ("startup", "readiness", "liveness"))
        if startup is not None:
            if not await self._until(startup, "Startup", good=True):
                self._kill("startup")
                return
            self._set(started=True, ready=readiness is None)
        if begun is not None:
            begun.set()
        async with asyncio.TaskGroup() as group:
            if readiness is not None:
                group.create_task(self._follow_readiness(readiness))
            if liveness is not None:
                group.create_task(self._follow_liveness(liveness))

    async def _follow_readiness(self, probe: Probe) -> None:
        await asyncio.sleep(probe.initial_delay_s)
        good = bad = 0
        while True:
            failure = await self._ask(probe, "Readiness", bad)
            good, bad = (good + 1, 0) if not failure else (0, bad + 1)
            if good >= probe.successes:
                self._set(ready=True)
            elif bad >= probe.failures:
                self._set(ready=False)
            # Asked more often while not ready, as kubelets do, so that a pod becomes ready soon.
            await asyncio.sleep(probe.period_s if self._is_ready() else min(probe.period_s, 1.0))

    async def _follow_liveness(self, probe: Probe) -> None:
        await self._until(probe, "Liveness", good=False)
        self._kill("liveness")

    async def _until(self, probe: Probe, word: str, *, good: bool) -> bool:
        """Asks until enough answers in a row were good (where `good`) or bad; whether they were good."""
        await asyncio.sleep(probe.initial_delay_s)
        bad = 0
        while True:
            failure = await self._ask(probe, word, bad)
            if not failure and good:
                return True
            bad = bad + 1 if failure else 0
            if bad >= probe.failures:
                return False
            await asyncio.sleep(probe.period_s)

    async def _ask(self, probe: Probe, word: str, before: int) -> str:
        def resolve(port: int) -> tuple[str, int]:
            it = self._container
            return it.endpoint(port) if isinstance(it, Mapped) else (it.ip, port)

        failure = await probe.run(resolve, speaks_http=self._http)
        # Told at first and then ever more rarely: a pod that is never ready would flood the events.
        if failure and (before + 1).bit_count() == 1:
            self._warn(f"{word} probe failed: {failure}")
        return failure
