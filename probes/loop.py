"""What a process that probes runs in: uvloop where it is installed, and as many open files as the system allows it.

Callers: commands, the benchmark.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import resource
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
FILES_MOST: Final = 1 << 20  # what Linux allows at most, unless somebody raised fs.nr_open


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run."""
    may_open()
    gc.freeze()  # what was imported stays: no collection need walk it, and keep the loop waiting
    try:
        factory = importlib.import_module("uvloop").new_event_loop
    except ModuleNotFoundError:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def may_open() -> int:
    """Raises the limit of open files as far as it goes without being asked; how many there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MOST if hard == resource.RLIM_INFINITY else min(hard, FILES_MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a system that counts otherwise: what there is must do
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES_MOST if soft == resource.RLIM_INFINITY else soft
