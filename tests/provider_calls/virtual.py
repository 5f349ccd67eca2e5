"""Time for threads that only moves when all of them sleep: a storm of an hour takes a second."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable


class VirtualTime:
    """sleep() and clock() for providers.calls. Starts at the real monotonic second, as deadlines are made of that."""

    def __init__(self) -> None:
        self.now_s = time.monotonic()
        self._awake = 0
        self._asleep: list[tuple[float, int, threading.Event]] = []
        self._order, self._lock = itertools.count(), threading.Lock()

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        mine = threading.Event()
        with self._lock:
            heapq.heappush(self._asleep, (self.now_s + max(seconds, 1e-6), next(self._order), mine))
            self._rest()
        mine.wait()

    def _rest(self) -> None:
        """One fewer is awake; the last one wakes the next sleeper."""
        self._awake -= 1
        if self._awake == 0 and self._asleep:
            self.now_s, _, next_one = heapq.heappop(self._asleep)
            self._awake += 1
            next_one.set()

    def run(self, jobs: Iterable[Callable[[], None]], threads: int) -> list[Exception]:
        """All jobs, in this many threads; what they raised."""
        left, taking, raised = iter(list(jobs)), threading.Lock(), list[Exception]()

        def work(number: int) -> None:
            self.sleep(1e-3 * (number + 1))  # from then on one runs at a time, in an order that is always the same
            while True:
                with taking:
                    job = next(left, None)
                if job is None:
                    break
                try:
                    job()
                except Exception as exc:  # every job's own is handed back
                    raised.append(exc)
            with self._lock:
                self._rest()

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        self._awake = threads
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return raised
