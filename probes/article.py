"""The rule of the article: stretch the probing interval by the median of the last ten round trips.

Kept as the baseline `seed` and for whoever wants it. It leaves the timeout as it was, and a median of ten moves only
when five samples have: at a base interval of 10 s that is 50 s after a link slowed down, when three failures in a row
have long tripped. The article names the window and the median; the reference round trip and the ceiling are not in
what we have of it, and are parameters here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import median

WINDOW = 10
REFERENCE_RTT_MS = 100.0
MAX_STRETCH = 6.0


def adjust_probe_interval(
    base_interval_s: float,
    rtt_history_ms: Sequence[float],
    *,
    reference_rtt_ms: float = REFERENCE_RTT_MS,
    max_stretch: float = MAX_STRETCH,
) -> float:
    """base_interval_s x median(last ten) / reference, never below the base and never above max_stretch times it.

    With fewer than ten samples the base stays. Samples that are no finite, positive number are left out. Raises
    ValueError where the base interval or the parameters are not above zero.
    """
    if not 0 < base_interval_s < float("inf") or reference_rtt_ms <= 0 or max_stretch < 1:
        raise ValueError("base_interval_s and reference_rtt_ms are above zero, max_stretch at least 1")
    window = [rtt for rtt in rtt_history_ms[-WINDOW:] if isfinite(rtt) and rtt > 0]
    if len(window) < WINDOW:
        return base_interval_s
    return base_interval_s * min(max_stretch, max(1.0, median(window) / reference_rtt_ms))
