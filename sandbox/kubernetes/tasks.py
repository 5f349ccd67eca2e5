"""Background tasks whose failures are told: an exception nobody awaits would vanish.

Callers: whatever starts a task on the cluster's loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


def spawn(coro: Coroutine[Any, Any, T], what: str) -> asyncio.Task[T]:
    """Starts a task; what it is for stands in the log if it fails."""
    task = asyncio.get_running_loop().create_task(coro, name=what)
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s failed", task.get_name(), exc_info=error)
