"""Asks HTTP/1.1 in the clear, thousands of targets a second from one thread: no task, no timer for a question.

Connections are kept; a turn each TICK_S, while anything is under way, reads what has come and looks for questions whose
time is over. The kernel says when an answer came (stamps.py), so that nothing is gained by reading it at once, and a
loop that is late measures the network all the same. Where it says nothing, answers are read as they come, and how late
we were goes with each of them. Only connecting takes a task. Callers: the prober. Non-goals: when to ask; verdicts;
anything but HTTP/1.1 in the clear (by_task.py).
"""

from __future__ import annotations

import asyncio
import errno
import select
import time
from collections import deque
from typing import Final

from probes import calls, stamps
from probes.dial import NoAddressError, Resolver, connected, resolved
from probes.failures import meaning
from probes.lag import LagMeter
from probes.loop import may_open
from probes.policy import Outcome, Result, Send
from probes.spoke import Spoke
from probes.targets import NO_PARTS, Look, ProbeTarget, Tell, Timings

TICK_S: Final = 0.010
REST_S: Final = 1.0  # between turns while nothing is under way: closed connections are noticed, old ones ended
KEEP_S: Final = 300.0  # for which a connection is kept that nobody asks on
EXPIRE_EVERY_S: Final = 0.05
ASK_IN_A_ROW: Final = 16  # before answers are read, where we have to be there when they come
READ_AT_ONCE: Final = 512  # answers between two turns: the rest waits for the next, and the kernel knows when it came
LATE_S: Final = 0.003
LATE_FOR_S: Final = 1.0  # after we were late once: whoever kept us waiting is likely to go on
LAGS_KEPT: Final = 20_000
FILES_SPARED: Final = 64  # of those that the process may open, for others
NEW_MOST: Final = 1_000  # connections for which room is spared among those kept, or a quarter of all
MISSES_MOST: Final = 1_000  # answers in a row without a stamp that was asked for; the first ones may well lack it
EARLY_S: Final = 0.000_1  # by which a stamp may seem to lie before the question, or after now: two clocks, read in turn
_NO_FILES: Final = (errno.EMFILE, errno.ENFILE)
_NEVER: Final = float("inf")


class Wheel:
    """Questions from one vantage, each told of once. Begin it in a running loop, `close` it there."""

    def __init__(
        self,
        vantage: str,
        lag: LagMeter,
        resolver: Resolver,
        *,
        spoke: type[Spoke] = Spoke,
        kernel_times: bool = True,
        room: int | None = None,
    ) -> None:
        """kernel_times False: as where the kernel has none. room: connections at once; what the process may open."""
        self._vantage = vantage
        self._meter = lag
        self._resolver = resolver
        self._spoke = spoke
        self._loop = asyncio.get_running_loop()
        self._room = room or max(FILES_SPARED, may_open() - FILES_SPARED)
        self._kept: dict[str, Spoke] = {}  # by the target's name
        self._kept_most = self._room - min(NEW_MOST, self._room // 4)
        self._connecting: dict[asyncio.Task[None], Spoke] = {}
        self._waiting = 0  # questions under way
        self._plain = calls.Plain()
        self._held = calls.held_or(self._plain)
        self.calls = self._plain
        self._epoll = select.epoll()
        self._by_fd: dict[int, Spoke] = {}
        self._stamped = kernel_times
        self._prompt = False  # whether the loop tells us of each answer
        self._in_a_row = 0
        self._wall = stamps.Wall()
        self._ahead_s: float | None = None
        self._misses = 0
        self._turn: asyncio.Handle | None = None
        self._resting = True  # no turn within the next tick
        self._turn_s = _NEVER  # when the next turn is due, or the one under way was
        self._lag_s = 0.0
        self._lag_before_s = 0.0
        self._late_until_s = 0.0
        self._busy_s = 0.0  # since when we have read nothing, having had other things to do; 0 where we waited
        self._read_s = 0.0
        self._since_s = 0.0  # since when what is being read may have lain there
        self._expire_s = _NEVER  # no question's time is over before
        self._swept_s = 0.0
        self.lags_s: deque[float] = deque(maxlen=LAGS_KEPT)  # of the last turns, for whoever measures

    def ask(self, target: ProbeTarget, send: Send, tell: Tell) -> bool:
        """Asks now, where a connection to the target is kept and nothing is under way on it; whether it is so.

        tell may be called before this returns.
        """
        spoke = self._kept.get(target.name)
        if spoke is None or spoke.send is not None or not (spoke.target is target or spoke.target == target):
            return False
        if self._prompt:
            self._be_there()
        now_s = time.monotonic()
        self._waiting += 1
        spoke.send, spoke.tell, spoke.began_s = send, tell, now_s
        spoke.deadline_s = deadline_s = now_s + send.timeout_s
        if deadline_s < self._expire_s:  # noqa: PLR1730  (min() takes three times as long)
            self._expire_s = deadline_s
        spoke.ask(now_s)
        if spoke.doubt_s > LATE_S:
            self._by_lag(spoke.doubt_s, now_s)
        if self._resting:
            self._take_turn_in(TICK_S)
        return True

    def ask_anew(self, target: ProbeTarget, send: Send, tell: Tell) -> None:
        """Asks now, on a new connection: kept afterwards, unless the order wants a fresh one. As ask."""
        self._waiting += 1
        spoke = self._spoke(self, target, fresh=send.fresh)
        spoke.begin(send, tell, time.monotonic())
        self._connect(spoke)
        if self._resting:
            self._take_turn_in(TICK_S)

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._by_fd)

    def close(self) -> list[asyncio.Task[None]]:
        """Ends all connections; who waits for an answer is told that nobody looked. Await what is returned."""
        if self._turn is not None:
            self._turn.cancel()
        if self._prompt:
            self._loop.remove_reader(self._epoll.fileno())
        under_way = [*self._connecting.values(), *(s for s in self._by_fd.values() if s.send is not None)]
        tasks = list(self._connecting)
        for task in tasks:
            task.cancel()
        for spoke in list(self._by_fd.values()):
            spoke.drop()
        for spoke in under_way:
            self._nobody_looked(spoke)
        self._epoll.close()
        return tasks

    def _nobody_looked(self, spoke: Spoke) -> None:
        tell, spoke.send, spoke.tell = spoke.tell, None, None
        if tell is not None:
            self._waiting -= 1
            tell(None)

    # -- connections -------------------------------------------------------------------------------------------

    def _connect(self, spoke: Spoke) -> None:
        spoke.timings = Timings()
        if len(self._by_fd) + len(self._connecting) >= self._room:
            # It says nothing of the target: as what a prober says that is late, it counts as no silence.
            why = f"{self._room} connections are open, which is as many as may be: raise the limit of open files"
            self._tell(spoke, Outcome.ERROR, why, 0.0, lag_s=spoke.send.timeout_s if spoke.send else 0.0)
            return
        task = asyncio.create_task(self._open(spoke))
        self._connecting[task] = spoke
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        spoke = self._connecting.pop(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._nobody_looked(spoke)
            raise exc

    async def _open(self, spoke: Spoke) -> None:
        send, timings = spoke.send, spoke.timings
        if send is None or timings is None:
            raise RuntimeError("nobody asked for a connection")
        if not spoke.asked_s:  # of the time that a late loop took to get here nothing is the target's
            spoke.deadline_s = time.monotonic() + send.timeout_s
        try:
            async with asyncio.timeout(spoke.deadline_s - time.monotonic()) as limit:
                addresses = await resolved(self._resolver, spoke.target.host, spoke.target.port, timings, limit)
                sock = await connected(self._loop, addresses, timings)
        except (OSError, NoAddressError) as exc:
            lag_s = self._meter.worst_since(spoke.began_s)
            if isinstance(exc, OSError) and exc.errno in _NO_FILES:
                lag_s = send.timeout_s  # as where there is no room
            elapsed_s = time.monotonic() - spoke.began_s - (timings.dns_s or 0.0)
            self._tell(spoke, *meaning(exc, send.timeout_s), elapsed_s, lag_s)
            return
        if not (self._stamped and stamps.wanted(sock)):
            self._be_prompt()
        spoke.sock = sock
        spoke.deadline_s += timings.dns_s or 0.0
        self._expire_s = min(self._expire_s, spoke.deadline_s)
        self._by_fd[sock.fileno()] = spoke
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        if not spoke.fresh and spoke.target.name not in self._kept and len(self._kept) < self._kept_most:
            self._kept[spoke.target.name] = spoke
        else:
            spoke.fresh = True
        spoke.ask(time.monotonic())

    def reopen(self, spoke: Spoke) -> None:
        """The same question on another connection."""
        spoke.reused = False
        self._connect(spoke)

    def closing(self, spoke: Spoke) -> None:
        """Forgets a connection that is about to be closed."""
        if spoke.sock is not None and self._by_fd.pop(spoke.sock.fileno(), None) is not None:
            self._epoll.unregister(spoke.sock.fileno())
        if self._kept.get(spoke.target.name) is spoke:
            del self._kept[spoke.target.name]

    def _be_prompt(self) -> None:
        """Reads answers as they come, there being no stamps. An epoll is itself a file that becomes readable: one
        reader of the loop's does for all connections."""
        self._stamped = False
        if not self._prompt:
            self._loop.add_reader(self._epoll.fileno(), self._read)
            self._prompt = True

    def _be_there(self) -> None:
        """Before a question: reads between many of them, and once more when whoever asks is through."""
        if not self._busy_s:
            self._busy_s = time.monotonic()
            self._loop.call_soon(self._read)
        self._in_a_row += 1
        if self._in_a_row >= ASK_IN_A_ROW:
            self._in_a_row = 0
            self._read()
            self._busy_s = self._busy_s or time.monotonic()

    # -- turns -------------------------------------------------------------------------------------------------

    def _take_turn_in(self, seconds: float) -> None:
        if self._turn is not None:
            self._turn.cancel()
        self._turn_s = time.monotonic() + seconds
        self._resting = seconds > TICK_S
        self._turn = self._loop.call_later(seconds, self._take_turn)

    def _take_turn(self) -> None:
        now_s, due_s, self._resting = time.monotonic(), self._turn_s, False
        lag_s = max(0.0, now_s - due_s)
        self._lag_before_s, self._lag_s = self._lag_s, lag_s
        self._by_lag(lag_s, now_s)
        self.lags_s.append(lag_s)
        try:
            self._read()
            if now_s >= max(self._expire_s, self._swept_s + EXPIRE_EVERY_S) or now_s >= self._swept_s + KEEP_S / 4:
                self._sweep(now_s)
        finally:
            self._turn = None
            if self._waiting:
                self._take_turn_in(0.0 if self._busy_s and self._stamped else max(0.0, due_s + TICK_S - now_s))
            elif self._by_fd:
                self._take_turn_in(REST_S)
            else:
                self._turn_s, self._resting = _NEVER, True

    def _by_lag(self, lag_s: float, now_s: float) -> None:
        """Which calls are made next: another thread may have kept us waiting, in a turn or as we asked."""
        if lag_s > LATE_S:
            self._late_until_s = now_s + LATE_FOR_S
        self.calls = self._held if now_s < self._late_until_s else self._plain

    def _sweep(self, now_s: float) -> None:
        """Questions whose time is over, connections that nobody used for long."""
        self._swept_s, self._expire_s = now_s, _NEVER
        for spoke in list(self._by_fd.values()):
            if spoke.send is None:
                if now_s - spoke.asked_s > KEEP_S:
                    spoke.drop()
                continue
            if now_s >= spoke.deadline_s:
                self._take(spoke)  # it may have come while we stood still
                if spoke.send is not None and now_s >= spoke.deadline_s:
                    self._give_up(spoke, now_s)
            if spoke.send is not None:
                self._expire_s = min(self._expire_s, spoke.deadline_s)

    def _give_up(self, spoke: Spoke, now_s: float) -> None:
        """Nothing lay there: how late we were is no matter, unless it kept us from asking."""
        spoke.drop()
        timings = spoke.timings
        dns_s = timings.dns_s or 0.0 if timings is not None else 0.0
        lag_s = max(spoke.doubt_s, self._meter.worst_since(spoke.began_s) if timings is not None else 0.0)
        outcome, why = meaning(TimeoutError(), spoke.send.timeout_s if spoke.send else 0.0)
        self._tell(spoke, outcome, why, now_s - spoke.began_s - dns_s, lag_s)

    # -- answers -----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """What has come, as much as is good at once."""
        if self._epoll.closed:
            return
        now_s = time.monotonic()
        if self._stamped:
            self._ahead_s, self._since_s = self._wall.ahead_s(), self._read_s
        else:
            self._ahead_s, self._since_s = None, self._busy_s or now_s
        self._read_s = now_s
        came = self._epoll.poll(0, READ_AT_ONCE)
        for fd, _ in came:
            spoke = self._by_fd.get(fd)
            if spoke is not None:
                self._take(spoke)
        self._busy_s = self._since_s if len(came) == READ_AT_ONCE else 0.0

    def _take(self, spoke: Spoke) -> None:
        while spoke.sock is not None:
            try:
                data = self.calls.read(spoke.sock)
            except BlockingIOError:
                return
            except OSError as exc:
                self.calls.stamp_s = None
                spoke.lost(exc)
                return
            if not data:
                self.calls.stamp_s = None
                spoke.lost(None)
                return
            if self._stamped:
                self._misses = 0 if self.calls.stamp_s is not None else self._misses + 1
                if self._misses > MISSES_MOST:
                    self._be_prompt()
            spoke.data_received(data)
            self.calls.stamp_s = None
            if len(data) < calls.READ_BYTES:
                return

    def failed(self, spoke: Spoke, exc: Exception) -> None:
        """A question that came to nothing. Raises exc where it is none of a probe's."""
        self.finished(spoke, *meaning(exc, spoke.send.timeout_s if spoke.send else 0.0))

    def finished(self, spoke: Spoke, outcome: Outcome, why: str = "", status: int = 0) -> None:
        """An answer, or what stands for one, on its way to whoever asked."""
        end_s = now_s = time.monotonic()
        stamp_s = self.calls.stamp_s
        came_s = stamp_s - self._ahead_s if stamp_s is not None and self._ahead_s is not None else -1.0
        if spoke.asked_s - EARLY_S <= came_s <= now_s + EARLY_S:
            end_s, lag_s = came_s, spoke.doubt_s
        else:
            # An answer may be read before the turn that notices how late it is, or behind many others.
            late_s = max(self._lag_s, self._lag_before_s, now_s - self._turn_s)
            lag_s = spoke.doubt_s + max(late_s, now_s - max(self._since_s, spoke.asked_s))
        elapsed_s, timings = end_s - spoke.began_s, spoke.timings
        if timings is not None:  # it opened the connection: that was seen by the loop, and no stamp tells when
            elapsed_s -= timings.dns_s or 0.0
            timings.answer_s = end_s - spoke.asked_s
            lag_s = max(lag_s, self._meter.worst_since(spoke.began_s))
        self._tell(spoke, outcome, why, elapsed_s, lag_s, status)

    def _tell(self, spoke: Spoke, outcome: Outcome, why: str, elapsed_s: float, lag_s: float, status: int = 0) -> None:
        send, tell = spoke.send, spoke.tell
        if send is None or tell is None:
            return
        timings = spoke.timings or NO_PARTS
        spoke.send = spoke.tell = spoke.timings = None
        spoke.reused = True
        self._waiting -= 1
        result = Result(self._vantage, send.target, send.sent_s, elapsed_s if elapsed_s > 0.0 else 0.0, outcome, lag_s)
        tell(Look(result, timings, why, status))
