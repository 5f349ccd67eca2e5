"""Counts of one detector's releases, added up over processes, and the figures made of them.

Callers: benchmarks.probes. Percentiles are nearest rank; intervals of a share are exact (Clopper, Pearson 1934).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, exp, lgamma, log
from typing import Any

KINDS = ("refused", "silent")


@dataclass(slots=True)
class Tally:
    """What was counted. pauses: lengths in s. detect_s, act_s: after the crash, by kind; None where it never came."""

    releases: int = 0
    successes: int = 0
    pauses_s: list[float] = field(default_factory=list)
    mistakes: int = 0
    watched_s: float = 0.0  # summed over services
    probes: int = 0
    probes_s: float = 0.0  # summed over releases
    crashes: int = 0
    excluded: int = 0  # condemned by mistake before the crash
    detect_s: dict[str, list[float | None]] = field(default_factory=lambda: {k: [] for k in KINDS})
    act_s: dict[str, list[float | None]] = field(default_factory=lambda: {k: [] for k in KINDS})

    def add(self, other: Tally) -> None:
        """Adds another's counts to this."""
        for name in ("releases", "successes", "mistakes", "watched_s", "probes", "probes_s", "crashes", "excluded"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.pauses_s += other.pauses_s
        for kind in KINDS:
            self.detect_s[kind] += other.detect_s[kind]
            self.act_s[kind] += other.act_s[kind]

    def figures(self) -> dict[str, Any]:
        """The figures of the benchmark, null where nothing was counted or the moment never came."""
        low, high = exact_interval(self.successes, self.releases)
        found: dict[str, Any] = {
            "releases": self.releases,
            "success": _rounded(self.successes / self.releases if self.releases else None, 6),
            "success_low95": _rounded(low, 6),
            "success_high95": _rounded(high, 6),
            "mistakes_per_day": _rounded(self.mistakes / self.watched_s * 86_400 if self.watched_s else None),
            "pauses_per_release": _rounded(len(self.pauses_s) / self.releases if self.releases else None, 5),
            "pause_p50_s": _rounded(percentile(list(self.pauses_s), 0.5)),
            "pause_p99_s": _rounded(percentile(list(self.pauses_s), 0.99)),
            "probes_per_min": _rounded(self.probes / self.probes_s * 60 if self.probes_s else None),
            "crashes": self.crashes,
            "crashes_excluded": self.excluded,
            "crashes_missed": sum(a is None for kind in KINDS for a in self.act_s[kind]),
        }
        for name, rows in (("detect", self.detect_s), ("act", self.act_s)):
            every = [v for kind in KINDS for v in rows[kind]]
            for suffix, values in (("", every), *((f"_{kind}", rows[kind]) for kind in KINDS)):
                for share, word in ((0.5, "p50"), (0.99, "p99")):
                    found[f"{name}_{word}_s{suffix}"] = _rounded(percentile(values, share))
        return found


def percentile(values: list[float | None] | list[float], share: float) -> float | None:
    """Nearest rank; what never came counts as later than everything. None of nothing, or where the rank never came."""
    if not values:
        return None
    ordered = sorted(float("inf") if v is None else v for v in values)
    found = ordered[max(0, ceil(share * len(ordered)) - 1)]
    return None if found == float("inf") else found


def exact_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Clopper and Pearson's interval of a share, two-sided. None where nothing was tried."""
    if trials == 0:
        return None, None
    tail = (1.0 - confidence) / 2
    low = 0.0 if successes == 0 else _root(lambda p: 1.0 - _cdf(successes - 1, trials, p) - tail)
    high = 1.0 if successes == trials else _root(lambda p: tail - _cdf(successes, trials, p))
    return low, high


def _root(rising: Any) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def _cdf(k: int, n: int, p: float) -> float:
    """P(X <= k) of a binomial; summed from the shorter side."""
    if p <= 0.0:
        return 1.0
    if p >= 1.0:
        return 1.0 if k >= n else 0.0
    if k > n // 2:
        return 1.0 - _cdf(n - k - 1, n, 1.0 - p) if k < n else 1.0
    log_p, log_q, total = log(p), log(1.0 - p), lgamma(n + 1)
    return min(
        1.0, sum(exp(total - lgamma(i + 1) - lgamma(n - i + 1) + i * log_p + (n - i) * log_q) for i in range(k + 1))
    )


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
