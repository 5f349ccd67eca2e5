"""The event loop that probing runs in: uvloop's where it is installed, else the standard one. Callers: commands."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run."""
    try:
        factory = importlib.import_module("uvloop").new_event_loop
    except ModuleNotFoundError:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
