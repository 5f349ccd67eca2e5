"""One run of the prober's benchmark: the product's own path (watching.watch, Prober.ask), and what it cost."""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.probing.tally import percentile
from probes.detector import Detector
from probes.policy import Outcome, Result, Send, Vantage, Verdict, for_many
from probes.prober import Prober
from probes.spoke import Spoke
from probes.targets import Look, ProbeTarget
from probes.watching import POLL_S, Orders, watch

HERE = "here"
FLAGGED_S = 0.001  # a lag from which a time is called distrusted
PERIOD_S = 1.0
CONNECT_WITHIN_S = 120.0
_OK = Outcome.OK


class Stamped(Spoke):
    """Notes, before an answer is told, when we began (a new connection takes its time) and asked for it, when the
    server says that it wrote it, and when it was read here."""

    began = asked = wrote = read = 0.0  # of the answer read last, by whichever spoke

    def data_received(self, data: bytes) -> None:
        stamp = data[-19:]
        Stamped.wrote, Stamped.read = (int(stamp) / 1e9 if stamp.isdigit() else 0.0), time.monotonic()
        Stamped.began, Stamped.asked = self.began_s, self.asked_s
        super().data_received(data)


class Rounds:
    """In a detector's place, where the prober alone is measured: each target once in PERIOD_S, at its own moment.

    sent_s of an order is when the target's turn came. Whose question is still under way is left out.
    """

    def __init__(self) -> None:
        self._slots: list[list[str]] = [[] for _ in range(round(PERIOD_S / POLL_S))]
        self._next = 0  # the slot whose turn is next, counted from the clock's beginning
        self._new: list[Send] = []
        self._waiting: set[str] = set()

    @property
    def next_wake_s(self) -> float:
        return self._next * POLL_S

    def watch(self, target: str, now_s: float) -> None:
        self._next = self._next or int(now_s / POLL_S) + 1
        self._slots[int(now_s / POLL_S) % len(self._slots)].append(target)
        self._new.append(Send(now_s, target, HERE))
        self._waiting.add(target)

    def on_result(self, result: Result) -> None:
        self._waiting.discard(result.target)

    def poll(self, now_s: float) -> list[Send]:
        sends, self._new = self._new, []
        while self._next * POLL_S <= now_s:
            due_s = self._next * POLL_S
            for target in self._slots[self._next % len(self._slots)]:
                if target not in self._waiting:
                    self._waiting.add(target)
                    sends.append(Send(due_s, target, HERE))
            self._next += 1
        return sends


@dataclass(slots=True)
class Seen:
    """What came, in arrays and not rows: what grows by 10,000 objects a second has the garbage collector stop the loop
    to walk it."""

    counting: bool = False
    answered: set[str] = field(default_factory=set)
    asked_late_s: array[float] = field(default_factory=lambda: array("d"))
    errors_s: array[float] = field(default_factory=lambda: array("d"))
    doubts_s: array[float] = field(default_factory=lambda: array("d"))
    read_late_s: array[float] = field(default_factory=lambda: array("d"))
    others: list[Outcome] = field(default_factory=list)

    def on_look(self, look: Look) -> None:
        """Counts a probe."""
        found = look.result
        if not self.counting:
            self.answered.add(found.target)
            return
        if found.outcome is not _OK:
            self.others.append(found.outcome)
            return
        self.asked_late_s.append(Stamped.asked - found.sent_s)
        self.errors_s.append(abs(Stamped.began + found.elapsed_s - Stamped.wrote))
        self.doubts_s.append(found.loop_lag_s)
        self.read_late_s.append(Stamped.read - Stamped.wrote)


@dataclass(frozen=True, slots=True)
class Way:
    """How a run is made. busy: beside a thread that never rests. kernel: with its receive stamps. detectors: a Detector
    says when to ask, not Rounds."""

    busy: bool = False
    kernel: bool = True
    detectors: bool = False


@dataclass(slots=True)
class Clock:
    """Wall and processor time, in seconds: the process's, or our thread's where another one never rests."""

    busy: bool
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def start(self) -> None:
        self.wall_s, self.cpu_s = time.perf_counter(), self._spent_s()

    def stop(self) -> None:
        self.wall_s, self.cpu_s = time.perf_counter() - self.wall_s, self._spent_s() - self.cpu_s

    def _spent_s(self) -> float:
        return time.thread_time() if self.busy else time.process_time()


async def measure(
    addresses: list[tuple[str, int]], targets: int, seconds: float, way: Way, warm_up_s: float = 2.0
) -> dict[str, Any]:
    """One run, its figures by name."""
    asked = [ProbeTarget(f"t{i}", *addresses[i % len(addresses)]) for i in range(targets)]
    orders: Orders = Detector(for_many(targets, PERIOD_S), [Vantage(HERE)]) if way.detectors else Rounds()
    seen, stop, verdicts, clock = Seen(), asyncio.Event(), list[Verdict](), Clock(way.busy)
    async with Prober(HERE, spoke=Stamped, kernel_times=way.kernel) as prober:
        began_s = time.perf_counter()
        watching = asyncio.create_task(watch(orders, asked, {HERE: prober}, verdicts.append, stop, seen.on_look))
        while len(seen.answered) < targets and time.perf_counter() < began_s + CONNECT_WITHIN_S:
            await asyncio.sleep(0.1)
        connect_s = time.perf_counter() - began_s
        await asyncio.sleep(warm_up_s)
        with spinning(way.busy):
            prober.wheel.lags_s.clear()
            seen.counting = True
            clock.start()
            await asyncio.sleep(seconds)
            clock.stop()
            seen.counting = False
            lags_s = list(prober.wheel.lags_s)
            stop.set()
            await watching
    return {"targets": targets, "connect_s": round(connect_s, 2), **figures(seen, clock, lags_s)}


def figures(seen: Seen, clock: Clock, lags_s: list[float]) -> dict[str, Any]:
    """Shares, percentiles and counts of what was seen."""
    count = max(1, len(seen.errors_s))
    wrong = [lag_s for error_s, lag_s in zip(seen.errors_s, seen.doubts_s, strict=True) if error_s > FLAGGED_S]
    spread = {
        "lag": lags_s, "asked_late": list(seen.asked_late_s), "rtt_error": list(seen.errors_s),
        "read_late": list(seen.read_late_s),
    }  # fmt: skip
    return {
        "seconds": round(clock.wall_s, 2),
        "probes_per_s": round(len(seen.errors_s) / clock.wall_s, 1),
        "outcomes": {"ok": len(seen.errors_s), **Counter(outcome.value for outcome in seen.others)},
        "core_share": round(clock.cpu_s / clock.wall_s, 4),
        "us_per_probe": round(clock.cpu_s / count * 1e6, 1),
        **{f"{k}_p{p}_ms": ms(percentile(v, p / 100)) for k, v in spread.items() for p in (50, 99)},
        "flagged_share": round(sum(lag_s >= FLAGGED_S for lag_s in seen.doubts_s) / count, 5),
        "above_1ms_share": round(len(wrong) / count, 5),
        "above_1ms_flagged_share": round(sum(lag_s >= FLAGGED_S for lag_s in wrong) / len(wrong), 5) if wrong else None,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


@contextmanager
def spinning(busy: bool) -> Iterator[None]:
    """Keeps a processor, and the interpreter's lock, busy while the block lasts."""
    halt = threading.Event()

    def spin() -> None:
        number = 0
        while not halt.is_set():
            for _ in range(10_000):
                number += 1

    if not busy:
        yield
        return
    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        halt.set()
        thread.join()
