"""The machine's clock as model.ports.Clock. Callers: commands, which hand it to the store and the engine."""

from __future__ import annotations

import time


class SystemClock:
    """now_s may jump (NTP, an operator); monotonic_s never does, and stands still while the machine sleeps."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
