"""The exact confidence interval of a share. Source: C. J. Clopper, E. S. Pearson, Biometrika 26(4), 1934."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log, log1p

_STEPS = 200


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper end. ValueError for impossible counts or a confidence outside 0 to 1."""
    if not 0 <= successes <= trials or trials < 1 or not 0 < confidence < 1:
        raise ValueError(f"{successes} of {trials} at {confidence} is no share")
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if successes == 0 else _root(lambda p: 1.0 - _at_most(successes - 1, trials, p) - tail)
    high = 1.0 if successes == trials else _root(lambda p: tail - _at_most(successes, trials, p))
    return low, high


def _at_most(k: int, n: int, p: float) -> float:
    """P(X <= k) of a binomial distribution."""
    if p <= 0.0:
        return 1.0
    if p >= 1.0:
        return 1.0 if k >= n else 0.0
    terms = (
        exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log1p(-p)) for i in range(k + 1)
    )
    return min(1.0, sum(terms))


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function of 0 to 1 passes zero, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
