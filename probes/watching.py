"""Lets a detector drive probers: orders out, what they found in, verdicts to whoever acts on them.

Callers: the command line, agents, the benchmark. No task and no timer for a probe: a turn at most each POLL_S polls the
detector and passes its orders on. Non-goals: opening sockets; judging.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from probes.policy import Result, Send, Verdict
from probes.prober import Asks
from probes.targets import Look, ProbeTarget

POLL_S: Final = 0.010  # between two turns, however much there is to tell
POLL_MOST_S: Final = 0.25
BEGIN_PER_S: Final = 2_000  # targets that are new: thousands of new connections at once make ourselves late
ASK_AT_ONCE: Final = 512  # before others in the loop get their turn


class Orders(Protocol):
    """What says when to ask whom: a Detector."""

    @property
    def next_wake_s(self) -> float:
        """When polling is worth it next."""

    def watch(self, target: str, now_s: float) -> None:
        """Begins with a target."""

    def on_result(self, result: Result) -> None:
        """Takes what was found."""

    def poll(self, now_s: float) -> Sequence[Send | Verdict]:
        """What to do now."""


async def watch(
    detector: Orders,
    targets: Iterable[ProbeTarget],
    probers: Mapping[str, Asks],
    on_verdict: Callable[[Verdict], None],
    stop: asyncio.Event,
    on_look: Callable[[Look], None] | None = None,
) -> None:
    """Until stop is set. What is under way then is not heard of any more. probers: one a vantage.

    The detector is polled as soon as a result is there and by its `next_wake_s`, at least every POLL_MOST_S, no more
    often than each POLL_S. Raises what on_verdict and on_look raise.
    """
    watching = _Watching(detector, targets, probers, on_verdict, on_look)
    stopping: asyncio.Future[object] = asyncio.ensure_future(stop.wait())
    try:
        watching.turn()
        await asyncio.wait((stopping, watching.broken), return_when=asyncio.FIRST_COMPLETED)
        if watching.broken.done():
            watching.broken.result()
    finally:
        watching.end()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopping


class _Watching:
    """One run of it. broken: an exception of a callback's."""

    def __init__(
        self,
        detector: Orders,
        targets: Iterable[ProbeTarget],
        probers: Mapping[str, Asks],
        on_verdict: Callable[[Verdict], None],
        on_look: Callable[[Look], None] | None,
    ) -> None:
        self._detector = detector
        self._by_name = {t.name: t for t in targets}
        self._new = deque(self._by_name)
        self._probers = probers
        self._on_verdict = on_verdict
        self._on_look = on_look
        self._orders: deque[Send] = deque()
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle | None = None
        self._next_s = 0.0  # when the next turn is due
        self._turned_s = time.monotonic() - POLL_S  # when the last one began
        self._over = False
        self.broken: asyncio.Future[object] = self._loop.create_future()

    def turn(self) -> None:
        """Polls, and passes on what is to be done."""
        now_s = time.monotonic()
        passed_s, self._turned_s = now_s - self._turned_s, now_s
        try:
            if self._new:
                for _ in range(min(len(self._new), ASK_AT_ONCE, 1 + int(BEGIN_PER_S * passed_s))):
                    self._detector.watch(self._new.popleft(), now_s)
            for order in self._detector.poll(now_s):
                if isinstance(order, Verdict):
                    self._on_verdict(order)
                else:
                    self._orders.append(order)
            self._ask()
        except Exception as exc:  # noqa: BLE001  (a callback of the loop has no caller: `watch` raises it)
            self._break(exc)

    def _ask(self) -> None:
        orders, probers, by_name, tell = self._orders, self._probers, self._by_name, self._tell
        for _ in range(min(len(orders), ASK_AT_ONCE)):
            send = orders.popleft()
            probers[send.vantage].ask(by_name[send.target], send, tell)
        if self._over:
            return
        now_s = time.monotonic()
        if self._orders:
            self._next = self._loop.call_soon(self._go_on)
            return
        soonest_s = self._turned_s + POLL_S
        if self._new:
            self._turn_at(soonest_s, now_s)
        else:
            self._turn_at(max(soonest_s, min(self._detector.next_wake_s, now_s + POLL_MOST_S)), now_s)

    def _go_on(self) -> None:
        try:
            self._ask()
        except Exception as exc:  # noqa: BLE001  (as in turn)
            self._break(exc)

    def _turn_at(self, at_s: float, now_s: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next_s = at_s
        self._next = self._loop.call_later(max(0.0, at_s - now_s), self.turn)

    def _tell(self, look: Look | None) -> None:
        if look is None or self._over:
            return  # nobody looked: no result, and nothing against the target
        try:
            self._detector.on_result(look.result)
            if self._on_look is not None:
                self._on_look(look)
        except Exception as exc:  # noqa: BLE001  (as in turn)
            self._break(exc)
            return
        if self._next_s > self._turned_s + POLL_S and not self._orders:
            self._turn_at(self._turned_s + POLL_S, time.monotonic())

    def _break(self, exc: Exception) -> None:
        if not self.broken.done():
            self.broken.set_exception(exc)
        self.end()

    def end(self) -> None:
        """No further turn."""
        self._over = True
        if self._next is not None:
            self._next.cancel()
        if not self.broken.done():
            self.broken.cancel()
