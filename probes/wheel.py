"""Thousands of HTTP targets on kept connections, each asked once a period, from one thread.

A wheel of spokes TICK_S apart: each tick writes the requests of one spoke, answers are read as they come, and a timeout
is noticed when the target's turn comes again, so that no probe costs a timer. How late a tick ran is known, and goes
with each answer that was under way: a busy loop measures itself, not the network. Callers: the benchmark; whoever
watches more targets than tasks are good for. Non-goals: verdicts, fresh connections, TLS (prober.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, cast

from probes.http1 import Exchange, NotHttpError
from probes.policy import Outcome

TICK_S: Final = 0.002
CONNECT_AT_ONCE: Final = 200
CONNECT_TIMEOUT_S: Final = 10.0

OnAnswer = Callable[[int, float, float, Outcome, float], None]
"""index of the target, sent_s, elapsed_s, outcome, loop_lag_s (the longest lag while it was under way)."""


class Spoke(asyncio.Protocol):
    """One target's connection. Callers: the wheel; whoever measures derives from it.

    pending_s: when the question that is under way was sent; 0 where none is.
    """

    __slots__ = ("_exchange", "_mark", "_tail", "index", "pending_s", "transport", "wheel")

    def __init__(self, wheel: Wheel, index: int) -> None:
        self.wheel = wheel
        self.index = index
        self.pending_s = 0.0
        self.transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._mark = b""  # the Content-Length line of the last whole answer, and how long its body was
        self._tail = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # of a stream; uvloop's is no subclass

    def connection_lost(self, _exc: Exception | None) -> None:
        self.transport = None
        if self.pending_s:
            self._done(Outcome.REFUSED)

    def data_received(self, data: bytes) -> None:
        if not self.pending_s:
            self.drop()  # nobody asked
            return
        if self._exchange is None and self._tail >= 0 and data.startswith(b"HTTP/1.1 "):
            end = data.find(b"\r\n\r\n")
            if end > 0 and len(data) - end - 4 == self._tail and self._mark in data and b"onnection:" not in data:
                good = data[9:10] in (b"2", b"3")
                self._done(Outcome.OK if good else Outcome.UNHEALTHY)
                return
        self._slowly(data)

    def _slowly(self, data: bytes) -> None:
        first = self._exchange is None
        self._exchange = self._exchange or Exchange()
        try:
            head = self._exchange.feed(data)
        except NotHttpError:
            self._done(Outcome.UNHEALTHY)
            self.drop()
            return
        if head is None:
            return
        reusable = self._exchange.reusable
        if first and reusable and head.length is not None and head.length >= 0:
            start = data.lower().find(b"content-length:")
            self._mark, self._tail = data[start : data.find(b"\r\n", start) + 2], head.length
        self._done(Outcome.OK if 200 <= head.status < 400 else Outcome.UNHEALTHY)
        if not reusable:
            self.drop()

    def _done(self, outcome: Outcome) -> None:
        sent_s, self.pending_s, self._exchange = self.pending_s, 0.0, None
        self.wheel.answered(self.index, sent_s, outcome)

    def drop(self) -> None:
        """Ends the connection; the next turn opens another."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None


class Wheel:
    """Asks targets round after round. targets: (host, port, path) each; addresses, not names."""

    def __init__(
        self,
        targets: Sequence[tuple[str, int, str]],
        on_answer: OnAnswer,
        period_s: float,
        timeout_s: float,
        spoke: Callable[[Wheel, int], Spoke] = Spoke,
    ) -> None:
        """ValueError where the period is not above a tick or the timeout not above zero."""
        if period_s <= TICK_S or timeout_s <= 0:
            raise ValueError(f"a period above {TICK_S} s and a timeout above zero, in seconds")
        self._targets = targets
        self._on_answer = on_answer
        self._period_s = period_s
        self._timeout_s = timeout_s
        self._requests = [
            f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nuser-agent: duoyun-probe\r\n\r\n".encode("ascii")
            for host, port, path in targets
        ]
        self._spokes = [spoke(self, i) for i in range(len(targets))]
        self._ticks = max(1, round(period_s / TICK_S))
        self._connecting: set[asyncio.Task[None]] = set()
        self._opening: set[int] = set()
        self._gate = asyncio.Semaphore(CONNECT_AT_ONCE)
        self._lag_s = 0.0
        self._lag_before_s = 0.0
        self.lags_s: list[float] = []  # of each tick, for whoever measures; emptied by them

    async def connect(self) -> None:
        """Opens a connection to each target; who cannot be reached is tried again at its turn."""
        await asyncio.gather(*(self._open(i) for i in range(len(self._targets))))

    async def run(self, stop: asyncio.Event) -> None:
        """Until stop is set. Connections are closed then."""
        began_s, tick = time.monotonic(), 0
        try:
            while not stop.is_set():
                due_s = began_s + tick * TICK_S
                now_s = time.monotonic()
                if now_s < due_s:
                    await asyncio.sleep(due_s - now_s)
                    now_s = time.monotonic()
                lag_s = max(0.0, now_s - due_s)
                self._lag_before_s, self._lag_s = self._lag_s, lag_s
                self.lags_s.append(lag_s)
                self._turn(tick % self._ticks)
                tick += 1
                if lag_s > self._period_s:  # we stood still for a whole round: nobody is asked twice for it
                    began_s, tick = now_s, tick % self._ticks
                    began_s -= tick * TICK_S
                elif lag_s > 0:
                    await asyncio.sleep(0)  # late: answers are read between two spokes all the same
        finally:
            for task in self._connecting:
                task.cancel()
            await asyncio.gather(*self._connecting, return_exceptions=True)
            for spoke in self._spokes:
                spoke.pending_s = 0.0
                spoke.drop()

    def _turn(self, number: int) -> None:
        count = len(self._targets)
        for index in range(number * count // self._ticks, (number + 1) * count // self._ticks):
            spoke = self._spokes[index]
            now_s = time.monotonic()
            if spoke.pending_s:
                if now_s - spoke.pending_s < self._timeout_s:
                    continue
                sent_s, spoke.pending_s = spoke.pending_s, 0.0
                spoke.drop()
                self._on_answer(index, sent_s, now_s - sent_s, Outcome.TIMEOUT, self._lag_s)
            if spoke.transport is None:
                if index not in self._opening:
                    task = asyncio.create_task(self._open(index))
                    self._connecting.add(task)
                    task.add_done_callback(self._connecting.discard)
                continue
            spoke.pending_s = now_s
            spoke.transport.write(self._requests[index])

    async def _open(self, index: int) -> None:
        host, port, _ = self._targets[index]
        self._opening.add(index)
        sent_s = time.monotonic()
        try:
            async with self._gate:
                sent_s = time.monotonic()
                loop = asyncio.get_running_loop()
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await loop.create_connection(lambda: self._spokes[index], host, port)
        except TimeoutError:
            self._on_answer(index, sent_s, time.monotonic() - sent_s, Outcome.TIMEOUT, self._lag_s)
        except OSError as exc:
            refused = isinstance(exc, (ConnectionRefusedError, ConnectionResetError))
            outcome = Outcome.REFUSED if refused else Outcome.ERROR
            self._on_answer(index, sent_s, time.monotonic() - sent_s, outcome, self._lag_s)
        finally:
            self._opening.discard(index)

    def answered(self, index: int, sent_s: float, outcome: Outcome) -> None:
        """A spoke's answer, on its way to whoever wants it."""
        lag_s = max(self._lag_s, self._lag_before_s)
        self._on_answer(index, sent_s, time.monotonic() - sent_s, outcome, lag_s)
