"""What the parts of the sandbox's AWS share: moto, its lock, the event history, what happens later, and the state file.

Callers: sandbox.aws.server builds one; the handlers in ec2, eks and so on use it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.identity import Identities
from sandbox.aws.moto_app import Moto
from sandbox.aws.trail import Trail
from sandbox.aws.wire import Answer, Incoming
from sandbox.world import Container, World

STATE_FILE = "aws.pickle"
_SAVE_AFTER_S = 0.2
Handler = Callable[[Incoming], Answer | object | None]
"""Before moto: None lets moto answer; an Answer, or an object to serialise, is the answer. Raises AwsError."""
After = Callable[[Incoming, Answer], Answer | object | None]
"""After moto succeeded: None keeps its answer."""


@dataclass
class Memory:
    """What the shim itself knows and a state folder keeps. tokens: idempotency; updates: EKS updates by id."""

    restarts: int = 0
    tokens: dict[tuple[str, ...], tuple[str, Answer]] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)
    console: dict[str, list[str]] = field(default_factory=dict)
    updates: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: dict[str, list[str]] = field(default_factory=dict)
    next_node: int = 0


class Cloud:
    """lock guards moto and memory. Handlers run in a worker thread with it held.

    page_size: how many rows a page of a list holds at most, whatever was asked; 0 as AWS does by itself.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.moto = Moto(world.seed)
        self.identities = Identities(world)
        self.trail = Trail()
        self.memory = Memory()
        self.containers: dict[str, Container] = {}
        self.lock = threading.RLock()
        self.pool = ThreadPoolExecutor(4, thread_name_prefix="sandbox-aws")
        self.closed = False
        self.page_size = 0
        self._open = False  # nothing is written before what is there was read
        self._tasks: set[asyncio.Task[Any]] = set()
        self._dirty = False

    # -- later ------------------------------------------------------------------------------------------------

    def later(self, operation: str, then: Callable[[], None], resource: str = "", detail: str = "") -> None:
        """Runs then() under the lock, in a worker thread, once the operation's time has passed. From any thread.

        resource, detail: as in world.Timing.
        """
        self.spawn(self._later(self.world.timing.duration_s(operation, resource, detail), then))

    async def _later(self, delay_s: float, then: Callable[[], None]) -> None:
        await asyncio.sleep(delay_s)
        await self.locked(then)

    async def locked(self, fn: Callable[[], Any]) -> Any:
        """fn() under the lock in a worker thread; the state file is written afterwards."""

        def work() -> Any:
            with self.lock:
                return fn()

        result = await self.world.loop.run_in_executor(self.pool, work)
        self.changed()
        return result

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Starts a coroutine on the world's loop, from any thread; what it raises goes to standard error."""
        self.world.loop.call_soon_threadsafe(self._start, work)

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        if self.closed:
            work.close()
            return
        task = self.world.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            traceback.print_exception(error, file=sys.stderr)

    # -- state ------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Something may have changed: written within 0.2 s, where there is a state folder. On the loop's thread."""
        if self.world.state_dir is None or self._dirty or self.closed:
            return
        self._dirty = True
        self._start(self._save_soon())

    async def _save_soon(self) -> None:
        await asyncio.sleep(_SAVE_AFTER_S)
        self._dirty = False
        await self.world.loop.run_in_executor(self.pool, self.save)

    def save(self) -> None:
        if self.world.state_dir is None or not self._open:
            return
        with self.lock:
            self.memory.events = self.trail.events
            self.moto.save(self.world.state_dir / STATE_FILE, {"memory": self.memory})

    def restore(self) -> bool:
        """Reads the state file, if there is one. Raises ValueError or OSError where it cannot be used."""
        path = self.world.state_dir / STATE_FILE if self.world.state_dir else None
        if path is None or not path.exists():
            self._open = True
            return False
        with self.lock:
            self.memory = self.moto.restore(path)["memory"]
            self.memory.restarts += 1
            self.trail.events = self.memory.events
            self.moto.reseed(self.memory.restarts)
        self._open = True
        return True

    async def close(self) -> None:
        """Stops what is still to come, keeps the state, and forgets moto's."""
        self.closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for container in list(self.containers.values()):
            await container.stop()
        await self.world.loop.run_in_executor(self.pool, self._finish)
        self.pool.shutdown(wait=False)

    def _finish(self) -> None:
        with self.lock:
            self.save()
            self.moto.reset()
