"""One thread that makes, uses and frees the Rego engines: they object to every other one.

Callers: engine. It is a daemon that starts with the first engine; a fork gets one of its own.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class OwnerThread:
    """Runs what it is given, one after another, on one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any] | None]] = queue.SimpleQueue()
        self._pid = 0

    def run(self, work: Callable[[], T]) -> T:
        """What `work` answers there, or what it raises."""
        self._start()
        done: Future[T] = Future()
        self._work.put((work, done))
        return done.result()

    def post(self, work: Callable[[], Any]) -> None:
        """Does `work` there some time later. Safe where the garbage collector calls it: nothing is waited for."""
        self._work.put((work, None))

    def _start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._work = queue.SimpleQueue()
                threading.Thread(target=self._serve, args=(self._work,), name="rego", daemon=True).start()
                self._pid = os.getpid()

    @staticmethod
    def _serve(work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any] | None]]) -> None:
        while True:
            answer: Any = None
            function, done = work.get()
            try:
                answer = function()
            except BaseException as exc:  # noqa: BLE001  (handed to whoever asked)
                if done is not None:
                    done.set_exception(exc)
            else:
                if done is not None:
                    done.set_result(answer)
            del function, done, answer  # nothing is kept alive until the next comes


OWNER = OwnerThread()
