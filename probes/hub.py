"""The orchestrator's side of the agents: who is there, and probes from where they stand.

Callers: the orchestrator's releases, `duoyun probe watch --listen`. An agent that is not there answers nothing: its
probes fail with VantageGoneError, which is no result and nothing against a target. Bounds: AGENTS_MOST connections,
a line's length, KEPT_MOST local verdicts. Non-goals: verdicts.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from probes.messages import (
    MAX_LINE_BYTES,
    MAX_UNREAD_BYTES,
    BadMessageError,
    Hello,
    LocalVerdict,
    Order,
    Report,
    decode_from_agent,
    encode,
)
from probes.mutual_tls import MutualTls, names_of
from probes.policy import Send, Vantage
from probes.prober import VantageGoneError
from probes.targets import Look, ProbeTarget, Tell

AGENTS_MOST: Final = 256
KEPT_MOST: Final = 10_000
HELLO_WITHIN_S: Final = 10.0
WORD_EVERY_S: Final = 30.0
GRACE_S: Final = 5.0  # beyond a probe's own timeout, for the way there and back


@dataclass(slots=True)
class _Agent:
    vantage: Vantage
    writer: asyncio.StreamWriter
    waiting: dict[int, asyncio.Future[Report]] = field(default_factory=dict)


class Hub:
    """Open it with `async with`; then `port` says where it listens."""

    def __init__(self, host: str, port: int, tls: MutualTls, *, tell: Callable[[str], None] = lambda _: None) -> None:
        self._at = (host, port)
        self._tls = tls
        self._tell = tell
        self._server: asyncio.Server | None = None
        self._agents: dict[str, _Agent] = {}
        self._numbers = itertools.count(1)
        self._serving: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self.verdicts: deque[tuple[float, str, LocalVerdict]] = deque(maxlen=KEPT_MOST)  # when told, by whom

    async def __aenter__(self) -> Hub:
        """OSError where the address is taken or a certificate file does not hold."""
        self._server = await asyncio.start_server(
            self._accept, *self._at, ssl=self._tls.server(), limit=MAX_LINE_BYTES, ssl_handshake_timeout=HELLO_WITHIN_S
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        ending = [*self._serving, *self._asking]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("open the hub with `async with` first")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def vantages(self) -> tuple[Vantage, ...]:
        """Who is connected now, by name."""
        return tuple(a.vantage for _, a in sorted(self._agents.items()))

    async def wait_for(self, names: frozenset[str], timeout_s: float) -> frozenset[str]:
        """Until all of them are connected, or the time is over; who is missing then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: names <= set(self._agents))
        return names - set(self._agents)

    async def look(self, vantage: str, target: ProbeTarget, send: Send) -> Look:
        """One probe from there. VantageGoneError where nobody looked; ValueError for what is not asked from afar."""
        agent = self._agents.get(vantage)
        if agent is None:
            raise VantageGoneError(f"{vantage} is not connected")
        if agent.writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            agent.writer.transport.abort()
            raise VantageGoneError(f"{vantage} does not read what it is told")
        number = next(self._numbers)
        line = encode(Order(number, target, send.fresh, send.timeout_s))
        answer: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        agent.waiting[number] = answer
        try:
            agent.writer.write(line)
            async with asyncio.timeout(send.timeout_s + GRACE_S):
                report = await answer
        except TimeoutError as exc:
            raise VantageGoneError(f"{vantage} did not report") from exc
        finally:
            agent.waiting.pop(number, None)
        return report.look(vantage, send)

    def ask(self, vantage: str, target: ProbeTarget, send: Send, tell: Tell) -> None:
        """As probes.prober.Asks.ask, from there."""
        task = asyncio.create_task(self._ask(vantage, target, send, tell))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, vantage: str, target: ProbeTarget, send: Send, tell: Tell) -> None:
        look: Look | None = None
        try:
            with contextlib.suppress(VantageGoneError):
                look = await self.look(vantage, target, send)
        finally:
            tell(look)

    def prober(self, vantage: str) -> RemoteProber:
        """What looks like a prober that stands there."""
        return RemoteProber(self, vantage)

    # -- connections -------------------------------------------------------------------------------------------

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves it in a task of ours: one of asyncio's own says so loudly when it is cancelled."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agent: _Agent | None = None
        try:
            agent = await self._greet(reader, writer)
            await self._listen(agent, reader)
        except (OSError, EOFError, TimeoutError, ValueError, BadMessageError) as exc:
            # ValueError: a line longer than MAX_LINE_BYTES.
            who = agent.vantage.name if agent else "somebody"
            self._tell(f"agent {who} is gone: {str(exc) or 'it said nothing'}")
        finally:
            self._forget(agent, writer)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Agent:
        async with asyncio.timeout(HELLO_WITHIN_S):
            hello = decode_from_agent(await reader.readline())
        if not isinstance(hello, Hello):
            raise BadMessageError("its first word is no hello")
        names = names_of(writer.get_extra_info("peercert"))
        if hello.vantage not in names:
            raise BadMessageError(
                f"it calls itself {hello.vantage!r}, its certificate says {', '.join(sorted(names))!r}"
            )
        if len(self._agents) >= AGENTS_MOST and hello.vantage not in self._agents:
            raise BadMessageError(f"more than {AGENTS_MOST} agents")
        before = self._agents.get(hello.vantage)
        if before is not None:
            before.writer.transport.abort()  # the newer connection holds: an agent that came back knows best
        agent = _Agent(Vantage(hello.vantage, hello.failure_domain or hello.vantage), writer)
        self._agents[hello.vantage] = agent
        self._tell(f"agent {hello.vantage} is here")
        async with self._changed:
            self._changed.notify_all()
        return agent

    async def _listen(self, agent: _Agent, reader: asyncio.StreamReader) -> None:
        words = asyncio.create_task(_words(agent.writer))
        try:
            while line := await reader.readline():
                message = decode_from_agent(line)
                if isinstance(message, Report):
                    answer = agent.waiting.get(message.number)
                    if answer is not None and not answer.done():
                        answer.set_result(message)
                elif isinstance(message, LocalVerdict):
                    self.verdicts.append((time.monotonic(), agent.vantage.name, message))
                    told = f"{agent.vantage.name} held {message.target} {message.status} {message.age_s:.0f} s ago"
                    self._tell(f"{told}, while it was cut off: {message.evidence}")
            raise EOFError("it closed the connection")
        finally:
            words.cancel()

    def _forget(self, agent: _Agent | None, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        if agent is None:
            return
        if self._agents.get(agent.vantage.name) is agent:
            del self._agents[agent.vantage.name]
        for answer in agent.waiting.values():
            if not answer.done():
                answer.set_exception(VantageGoneError(f"{agent.vantage.name} went away"))


async def _words(writer: asyncio.StreamWriter) -> None:
    """An empty line now and then: who hears none knows that nobody is there."""
    while not writer.is_closing():
        await asyncio.sleep(WORD_EVERY_S)
        writer.write(b"\n")


@dataclass(frozen=True, slots=True)
class RemoteProber:
    """An agent, asked as a prober is."""

    hub: Hub
    vantage: str

    def ask(self, target: ProbeTarget, send: Send, tell: Tell) -> None:
        """As Hub.ask."""
        self.hub.ask(self.vantage, target, send, tell)
