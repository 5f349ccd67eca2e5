"""Keys to look at again, each once however often it was named: what drives every controller.

Event-driven: nothing runs while nothing changes. A reconciliation is synchronous and returns quickly; it may ask to
be called again after a time. Callers: the controllers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from sandbox.kubernetes.errors import ApiError

K = TypeVar("K")
_RETRY_S = 0.5
_log = logging.getLogger(__name__)


class Queue(Generic[K]):
    """reconcile(key) returns seconds after which to look again, or None."""

    def __init__(self, name: str, reconcile: Callable[[K], float | None]) -> None:
        self._name, self._reconcile = name, reconcile
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[K, None] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._scheduled = self._closed = False

    def add(self, key: K) -> None:
        """Looks at key in the next turn of the loop."""
        self._waiting[key] = None
        if not self._scheduled and not self._closed:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def add_after(self, key: K, seconds: float) -> None:
        """Looks at key after that time, or earlier where it is added or was due earlier."""
        due = self._loop.time() + seconds
        timer = self._timers.get(key)
        if self._closed or (timer is not None and timer.when() <= due):
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = self._loop.call_at(due, self._due, key)

    def close(self) -> None:
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _drain(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, {}
        for key in waiting:
            try:
                again_s = self._reconcile(key)
            except ApiError as exc:
                # A refusal is part of life here (a namespace that is being deleted): try again a little later.
                _log.debug("%s: %s: %s", self._name, key, exc)
                again_s = _RETRY_S
            except Exception:  # noqa: BLE001  (one object's mishap must not stop the others)
                _log.exception("%s: %s", self._name, key)
                again_s = _RETRY_S
            if again_s is not None:
                self.add_after(key, again_s)
