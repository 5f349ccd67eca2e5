"""Thousands of HTTP targets on kept connections, each asked once a period, from one thread.

A wheel of spokes TICK_S apart: each tick reads what has come and writes the requests of one spoke; a timeout is noticed
when the target's turn comes again, so that no probe costs a timer. The kernel says when an answer came (stamps.py), so
that nothing is gained by reading it at once, and a loop that is late measures the network all the same. Where it says
nothing, answers are read as they come, and how late we were goes with each of them. Ticks that a late loop missed are
made up for together: it may be a while before it gets the interpreter's lock again. Callers: the benchmark; whoever
watches more targets than tasks are good for. Non-goals: verdicts, fresh connections, TLS (prober.py).
"""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from probes import calls, stamps
from probes.http1 import Exchange, NotHttpError, elsewhere
from probes.policy import Outcome

TICK_S: Final = 0.010
CONNECT_AT_ONCE: Final = 200
CONNECT_TIMEOUT_S: Final = 10.0
ASK_AT_ONCE: Final = 512  # questions of ticks that were missed, before others in the loop get their turn
ASK_IN_A_ROW: Final = 16  # before answers are read, where we have to be there when they come
READ_AT_ONCE: Final = 512  # answers between two turns: the rest waits for the next, and the kernel knows when it came
LATE_S: Final = 0.003
LAGS_KEPT: Final = 20_000
# Python 3.11 looks an enumeration's member up by a function of Python's: too dear for each answer.
_OK: Final = Outcome.OK
_UNHEALTHY: Final = Outcome.UNHEALTHY
MISSES_MOST: Final = 1_000  # answers in a row without a stamp that was asked for; the first ones may well lack it
EARLY_S: Final = 0.000_1  # by which a stamp may seem to lie before the question, or after now: two clocks, read in turn

OnAnswer = Callable[[int, float, float, Outcome, float], None]
"""index of the target, sent_s, elapsed_s, outcome, loop_lag_s (by how much elapsed_s may be too long because of us)."""


class Spoke:
    """One target's connection. Callers: the wheel; whoever measures derives from it.

    pending_s: when the question that is under way was sent; 0 where none is. doubt_s: how long the sending took.
    """

    __slots__ = ("_exchange", "_mark", "_tail", "doubt_s", "index", "pending_s", "sock", "wheel")

    def __init__(self, wheel: Wheel, index: int) -> None:
        self.wheel = wheel
        self.index = index
        self.pending_s = 0.0
        self.doubt_s = 0.0
        self.sock: socket.socket | None = None
        self._exchange: Exchange | None = None
        self._mark = b""  # the Content-Length line of the last whole answer, and how long its body was
        self._tail = -1

    def ask(self, request: bytes) -> None:
        """Sends it. What the connection says against it is an answer, too."""
        if self.sock is None:
            raise RuntimeError("there is no connection")
        self.pending_s = sent_s = time.monotonic()
        try:
            whole = self.wheel.calls.send(self.sock, request) == len(request)
        except BlockingIOError:
            whole = False
        except OSError:
            self.lost()
            return
        self.doubt_s = time.monotonic() - sent_s
        if not whole:  # nothing is under way on this connection, and yet a few bytes find no room
            self._done(Outcome.ERROR)
            self.drop()

    def lost(self) -> None:
        """The other side ended it."""
        self.drop()
        if self.pending_s:
            self._done(Outcome.REFUSED)

    def data_received(self, data: bytes) -> None:
        """What came, never empty."""
        if not self.pending_s:
            self.drop()  # nobody asked
            return
        if self._exchange is None and self._tail >= 0 and data.startswith(b"HTTP/1.1 2"):
            end = data.find(b"\r\n\r\n")
            if end > 0 and len(data) - end - 4 == self._tail and self._mark in data and b"onnection:" not in data:
                self._done(_OK)
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
        well = 200 <= head.status < 400 and not elsewhere(head, self.wheel.host(self.index))
        self._done(_OK if well else _UNHEALTHY)
        if not reusable:
            self.drop()

    def _done(self, outcome: Outcome) -> None:
        sent_s, self.pending_s, self._exchange = self.pending_s, 0.0, None
        self.wheel.answered(self.index, sent_s, self.doubt_s, outcome)

    def drop(self) -> None:
        """Ends the connection; the next turn opens another."""
        self._exchange = None
        if self.sock is not None:
            self.wheel.closing(self.sock)
            self.sock.close()
            self.sock = None


class Wheel:
    """Asks targets round after round. targets: (host, port, path) each; addresses, not names."""

    def __init__(
        self,
        targets: Sequence[tuple[str, int, str]],
        on_answer: OnAnswer,
        period_s: float,
        timeout_s: float,
        spoke: Callable[[Wheel, int], Spoke] = Spoke,
        *,
        kernel_times: bool = True,
    ) -> None:
        """kernel_times False: as where the kernel has none. ValueError where the period is not above a tick or the
        timeout not above zero."""
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
        self._at_once = max(1, min(self._ticks, ASK_AT_ONCE * self._ticks // max(1, len(targets))))
        self._plain = calls.Plain()
        self._held = calls.held_or(self._plain)
        self.calls = self._plain
        self._connecting: set[asyncio.Task[None]] = set()
        self._opening: set[int] = set()
        self._gate = asyncio.Semaphore(CONNECT_AT_ONCE)
        self._epoll = select.epoll()
        self._by_fd: dict[int, Spoke] = {}
        self._stamped = kernel_times
        self._prompt = False  # whether the loop tells us of each answer
        self._wall = stamps.Wall()
        self._ahead_s: float | None = None
        self._misses = 0
        self._due_s = float("inf")  # the next tick, or the one under way
        self._lag_s = 0.0
        self._lag_before_s = 0.0
        self._busy_s = 0.0  # since when we have read nothing, having had other things to do; 0 where we waited
        self._since_s = 0.0  # since when what is being read may have lain there
        self.lags_s: deque[float] = deque(maxlen=LAGS_KEPT)  # of the last ticks, for whoever measures

    def host(self, index: int) -> str:
        """Whom the target's redirects may name."""
        return self._targets[index][0]

    async def connect(self) -> None:
        """Opens a connection to each target; who cannot be reached is tried again at its turn."""
        await asyncio.gather(*(self._open(i) for i in range(len(self._targets))))

    async def run(self, stop: asyncio.Event) -> None:
        """Until stop is set. Connections are closed then; it runs once."""
        began_s, tick = time.monotonic(), 0
        try:
            while not stop.is_set():
                due_s = self._due_s = began_s + tick * TICK_S
                now_s = time.monotonic()
                if now_s < due_s:
                    await asyncio.sleep(due_s - now_s)
                    now_s = time.monotonic()
                lag_s = max(0.0, now_s - due_s)
                self._lag_before_s, self._lag_s = self._lag_s, lag_s
                self.calls = self._held if lag_s > LATE_S else self._plain  # somebody else may have kept us waiting
                self._read()
                missed = min(int(lag_s / TICK_S), self._at_once - 1)
                for _ in range(1 + missed):
                    self.lags_s.append(max(0.0, now_s - began_s - tick * TICK_S))
                    self._turn(tick % self._ticks)
                    tick += 1
                if lag_s > self._period_s:  # we stood still for a whole round: nobody is asked twice for it
                    began_s, tick = now_s, tick % self._ticks
                    began_s -= tick * TICK_S
                if lag_s > 0:
                    await asyncio.sleep(0)  # late: others get their turn all the same
        finally:
            for task in self._connecting:
                task.cancel()
            await asyncio.gather(*self._connecting, return_exceptions=True)
            for spoke in self._spokes:
                spoke.pending_s = 0.0
                spoke.drop()
            if self._prompt:
                asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _turn(self, number: int) -> None:
        count = len(self._targets)
        self._busy_s = time.monotonic()
        for index in range(number * count // self._ticks, (number + 1) * count // self._ticks):
            if self._prompt and not index % ASK_IN_A_ROW:
                self._read()
                self._busy_s = time.monotonic()
            spoke = self._spokes[index]
            if spoke.pending_s:
                now_s = time.monotonic()
                if now_s - spoke.pending_s < self._timeout_s:
                    continue
                self._take(spoke)  # it may have come while we stood still
                if spoke.pending_s:
                    sent_s, spoke.pending_s = spoke.pending_s, 0.0
                    spoke.drop()
                    self._on_answer(index, sent_s, now_s - sent_s, Outcome.TIMEOUT, self._lag_s)
            if spoke.sock is not None:
                spoke.ask(self._requests[index])
            elif index not in self._opening:
                task = asyncio.create_task(self._open(index))
                self._connecting.add(task)
                task.add_done_callback(self._connecting.discard)

    # -- connections -------------------------------------------------------------------------------------------

    async def _open(self, index: int) -> None:
        host, port, _ = self._targets[index]
        self._opening.add(index)
        sent_s = time.monotonic()
        sock = None
        try:
            async with self._gate:
                sent_s = time.monotonic()
                sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await asyncio.get_running_loop().sock_connect(sock, (host, port))
            self._opened(self._spokes[index], sock)
            sock = None
        except TimeoutError:
            self._on_answer(index, sent_s, time.monotonic() - sent_s, Outcome.TIMEOUT, self._lag_s)
        except OSError as exc:
            refused = isinstance(exc, (ConnectionRefusedError, ConnectionResetError))
            outcome = Outcome.REFUSED if refused else Outcome.ERROR
            self._on_answer(index, sent_s, time.monotonic() - sent_s, outcome, self._lag_s)
        finally:
            self._opening.discard(index)
            if sock is not None:
                sock.close()

    def _opened(self, spoke: Spoke, sock: socket.socket) -> None:
        if not (self._stamped and stamps.wanted(sock)):
            self._be_prompt()
        spoke.sock = sock
        self._by_fd[sock.fileno()] = spoke
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _be_prompt(self) -> None:
        """Reads answers as they come, there being no stamps. An epoll is itself a file that becomes readable: one
        reader of the loop's does for all connections."""
        self._stamped = False
        if not self._prompt:
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._read)
            self._prompt = True

    def closing(self, sock: socket.socket) -> None:
        """Forgets a connection that is about to be closed."""
        if self._by_fd.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())

    # -- answers -----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """What has come, as much as is good at once."""
        self._ahead_s = self._wall.ahead_s() if self._stamped else None
        self._since_s = self._busy_s or time.monotonic()
        came = self._epoll.poll(0, READ_AT_ONCE)
        for fd, _ in came:
            spoke = self._by_fd.get(fd)
            if spoke is not None:
                self._take(spoke)
        self._busy_s = self._since_s if len(came) == READ_AT_ONCE else 0.0

    def _take(self, spoke: Spoke) -> None:
        if spoke.sock is None:
            return
        try:
            data = self.calls.read(spoke.sock)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.calls.stamp_s = None
            spoke.lost()
            return
        if self._stamped:
            self._misses = 0 if self.calls.stamp_s is not None else self._misses + 1
            if self._misses > MISSES_MOST:
                self._be_prompt()
        spoke.data_received(data)
        self.calls.stamp_s = None

    def answered(self, index: int, sent_s: float, doubt_s: float, outcome: Outcome) -> None:
        """A spoke's answer, on its way to whoever wants it."""
        now_s = time.monotonic()
        stamp_s = self.calls.stamp_s
        if stamp_s is not None and self._ahead_s is not None:
            came_s = stamp_s - self._ahead_s
            if sent_s - EARLY_S <= came_s <= now_s + EARLY_S:
                self._on_answer(index, sent_s, max(0.0, came_s - sent_s), outcome, doubt_s)
                return
        # An answer may be read before the tick that notices how late it is, or behind many others.
        lag_s = max(self._lag_s, self._lag_before_s, now_s - self._due_s, now_s - self._since_s)
        self._on_answer(index, sent_s, now_s - sent_s, outcome, lag_s + doubt_s)
