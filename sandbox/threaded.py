"""A sandbox in a thread of this process, for tests: the same servers over the same HTTP, without a subprocess.

Callers: tests only. Product code starts `python -m sandbox`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.app import Options, Sandbox
from sandbox.world import World


@dataclass
class Running:
    """endpoints: what endpoints.json would say. sandbox.faults may be used from any thread."""

    sandbox: Sandbox
    loop: asyncio.AbstractEventLoop = field(repr=False)

    @property
    def endpoints(self) -> dict[str, Any]:
        return self.sandbox.endpoints

    @property
    def world(self) -> World:
        assert self.sandbox.world is not None
        return self.sandbox.world

    def account(self, partition: str) -> dict[str, Any]:
        """The row of endpoints.json for that partition."""
        return next(a for a in self.endpoints["accounts"] if a["partition"] == partition)


@contextmanager
def running(options: Options, *, start_timeout_s: float = 60.0) -> Iterator[Running]:
    """Starts a sandbox on a loop of its own; stops it at the end. Raises what start() raised."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
    thread.start()

    async def begin() -> Sandbox:
        sandbox = Sandbox(options)
        await sandbox.start()
        return sandbox

    try:
        sandbox = asyncio.run_coroutine_threadsafe(begin(), loop).result(start_timeout_s)
        try:
            yield Running(sandbox, loop)
        finally:
            asyncio.run_coroutine_threadsafe(sandbox.close(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


_SHARED_LOCK = threading.Lock()
_SHARED = ExitStack()
_shared: list[Running] = []
_users = 0


@contextmanager
def shared() -> Iterator[Running]:
    """One sandbox with all clouds for everything in this process that asks; it ends with its last user.

    moto keeps its state in globals, so two sandboxes of AWS in one process would be one. Tests that share it keep
    apart by fleet, account and region, and take back the faults that they put in.
    """
    global _users  # noqa: PLW0603  (one per process is the point)
    with _SHARED_LOCK:
        if not _users:
            _shared.append(_SHARED.enter_context(running(Options())))
        _users += 1
    try:
        yield _shared[0]
    finally:
        with _SHARED_LOCK:
            _users -= 1
            if not _users:
                _shared.clear()
                _SHARED.close()
