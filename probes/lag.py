"""How late the event loop runs, so that a busy prober can distrust its own times. Callers: the prober."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

LAG_PERIOD_S: Final = 0.05
LAG_KEPT: Final = 1200  # measurements: a minute of them


class LagMeter:
    """Looks at the clock every LAG_PERIOD_S."""

    def __init__(self) -> None:
        self._measured: deque[tuple[float, float]] = deque(maxlen=LAG_KEPT)  # when, lag

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(LAG_PERIOD_S)
            now_s = time.monotonic()
            self._measured.append((now_s, max(0.0, now_s - before_s - LAG_PERIOD_S)))

    def worst_since(self, since_s: float) -> float:
        """The largest lag in seconds that was seen since then; 0 where nothing was measured."""
        worst = 0.0
        for when_s, lag_s in reversed(self._measured):
            if when_s < since_s:
                break
            worst = max(worst, lag_s)
        return worst
