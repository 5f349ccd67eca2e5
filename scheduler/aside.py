"""Independent pieces of work on two threads, their results in the order of the pieces.

Callers: large, fillings. HiGHS and CP-SAT let other threads run while they solve; how many there are decides nothing
but the time. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

THREADS = 2


def side_by_side(work: Callable[[A], B], pieces: Iterable[A]) -> Iterator[B]:
    """Each piece's result, in order; what was not begun when the caller stops is not done."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="scheduler") as pool:
        futures = [pool.submit(work, piece) for piece in pieces]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
