"""How many probes may be sent in a minute: counted over any 60 s, so that no burst slips between two windows."""

from __future__ import annotations

from collections import deque

WINDOW_S = 60.0


class Budget:
    """At most `per_min` in any window of 60 s. Memory: one number per probe of the last minute."""

    def __init__(self, per_min: int) -> None:
        self._per_min = per_min
        self._sent_s: deque[float] = deque()

    def _forget(self, now_s: float) -> None:
        while self._sent_s and now_s - self._sent_s[0] >= WINDOW_S:
            self._sent_s.popleft()

    def left(self, now_s: float) -> int:
        """How many more may be sent at now_s."""
        self._forget(now_s)
        return self._per_min - len(self._sent_s)

    def take(self, now_s: float) -> None:
        """One was sent. Ask `left` before."""
        self._sent_s.append(now_s)

    def free_at_s(self, now_s: float) -> float:
        """When the next one may be sent."""
        return now_s if self.left(now_s) > 0 else self._sent_s[0] + WINDOW_S
