"""Probes of every kind from one vantage, behind one question: `ask`.

Callers: watching.py, agents, the command line, the benchmark. What is asked over HTTP/1.1 in the clear goes to the
wheel (thousands a second), everything else to a task of its own (by_task.py); who asks does not know. Redirects are
never followed, bodies are read up to a limit, the environment's proxy is not used: a probe asks the target and nobody
else. Non-goals: verdicts; when to ask.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Protocol

from probes.by_task import ByTask, Exec
from probes.dial import Resolver
from probes.lag import LagMeter
from probes.policy import Result, Send
from probes.spoke import Spoke
from probes.targets import Kind, Look, ProbeTarget, Tell
from probes.wheel import Wheel

__all__ = ["Asks", "Exec", "Prober", "VantageGoneError"]


class Asks(Protocol):
    """A prober here, or an agent elsewhere."""

    def ask(self, target: ProbeTarget, send: Send, tell: Tell) -> None:
        """Probes once, now. tell is called once, with everything that was found, or None where nobody looked; it may
        be called before this returns."""


class VantageGoneError(Exception):
    """An agent is not connected, or went away before it answered: nobody looked."""


class Prober:
    """Sends probes from one vantage. Open it with `async with`; safe for any number of probes at once."""

    def __init__(
        self,
        vantage: str,
        exec_port: Exec | None = None,
        *,
        spoke: type[Spoke] = Spoke,
        kernel_times: bool = True,
        room: int | None = None,
    ) -> None:
        """kernel_times, room, spoke: of the wheel."""
        self._lag = LagMeter()
        self._meter: asyncio.Task[None] | None = None
        self._wheel: Wheel | None = None
        resolver = Resolver()
        self._by_task = ByTask(vantage, self._lag, resolver, exec_port)
        self._make_wheel = partial(
            Wheel, vantage, self._lag, resolver, spoke=spoke, kernel_times=kernel_times, room=room
        )
        self._under_way: set[asyncio.Task[Look]] = set()

    async def __aenter__(self) -> Prober:
        self._meter = asyncio.create_task(self._lag.run())
        self._wheel = self._make_wheel()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        ending: list[asyncio.Task[None] | asyncio.Task[Look]] = [*self._under_way]
        if self._meter is not None:
            ending.append(self._meter)
        for task in ending:
            task.cancel()
        if self._wheel is not None:
            ending += self._wheel.close()
        await asyncio.gather(*ending, return_exceptions=True)
        self._meter = self._wheel = None
        self._by_task.close()
        await asyncio.sleep(0)  # lets transports that were aborted close their sockets

    @property
    def wheel(self) -> Wheel:
        """For whoever measures. Raises RuntimeError while the prober is not open."""
        if self._wheel is None:
            raise RuntimeError("open the prober with `async with` first")
        return self._wheel

    def ask(self, target: ProbeTarget, send: Send, tell: Tell) -> None:
        """As Asks.ask; never raises for what the target or the network does. elapsed_s is without the time that the
        name took; see the look's timings. Who still waits when the prober closes is told None."""
        wheel = self._wheel
        if wheel is None:
            raise RuntimeError("open the prober with `async with` first")
        if not send.fresh and wheel.ask(target, send, tell):
            return
        if target.how is Kind.HTTP and not target.tls:
            wheel.ask_anew(target, send, tell)
            return
        task = asyncio.create_task(self._by_task.look(target, send))
        self._under_way.add(task)
        task.add_done_callback(partial(self._told, tell))

    def _told(self, tell: Tell, task: asyncio.Task[Look]) -> None:
        self._under_way.discard(task)
        look: Look | None = None
        try:
            with contextlib.suppress(asyncio.CancelledError):
                look = task.result()
        finally:
            tell(look)

    async def look(self, target: ProbeTarget, send: Send) -> Look:
        """One probe and everything it found. Raises VantageGoneError where the prober is closed meanwhile."""
        answer: asyncio.Future[Look | None] = asyncio.get_running_loop().create_future()

        def tell(look: Look | None) -> None:
            if not answer.done():
                answer.set_result(look)

        self.ask(target, send, tell)
        look = await answer
        if look is None:
            raise VantageGoneError("the prober was closed")
        return look

    async def probe(self, target: ProbeTarget, send: Send) -> Result:
        """As look."""
        return (await self.look(target, send)).result
