"""What is measured of this process: CPU, memory, and the waiting for our own rate limiter; and retries switched off."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from providers.calls import Calls, TokenBucket


@dataclass(slots=True)
class Spent:
    """cpu_s counts all threads of this process; rate_limited_s is summed over threads, so it may exceed wall_s."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    rate_limited_s: float = 0.0


@contextmanager
def measured() -> Iterator[Spent]:
    """Fills what it yields at the end of the block."""
    spent, lock = Spent(), threading.Lock()
    reserve = TokenBucket.reserve

    def metered(bucket: TokenBucket) -> int:
        number = reserve(bucket)
        wait_s = bucket.due_s(number)  # as it looks now: the rate may change while it is waited
        if wait_s > 0:
            with lock:
                spent.rate_limited_s += wait_s
        return number

    wall_s, cpu_s = time.monotonic(), time.process_time()
    with mock.patch.object(TokenBucket, "reserve", metered):
        try:
            yield spent
        finally:
            spent.wall_s, spent.cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s


def peak_mib() -> float:
    """Largest resident size of this process so far (Linux counts KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def no_retries() -> Iterator[None]:
    """Every call is tried once: what a script does that calls an SDK with its retries off."""
    before = Calls.__init__

    def once(self: Calls, *args: Any, **kwargs: Any) -> None:
        before(self, *args, **{**kwargs, "max_attempts": 1})

    with mock.patch.object(Calls, "__init__", once):
        yield
