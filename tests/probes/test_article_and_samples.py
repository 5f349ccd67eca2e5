"""The article's rule as the baseline, and the soft timeout's formula."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.article import adjust_probe_interval
from probes.policy import ProbePolicy
from probes.samples import soft_timeout_s

TIMES = st.lists(st.floats(0.0001, 40), min_size=8, max_size=64)


def test_the_article_needs_five_bad_samples_of_ten() -> None:
    good, bad = 40.0, 600.0
    for count in range(5):
        assert adjust_probe_interval(10.0, [good] * (10 - count) + [bad] * count) == 10.0
    assert adjust_probe_interval(10.0, [good] * 5 + [bad] * 5) == 10.0 * median([good] * 5 + [bad] * 5) / 100
    assert adjust_probe_interval(10.0, [good] * 4 + [bad] * 6) == 60.0


def test_only_the_last_ten_count() -> None:
    assert adjust_probe_interval(10.0, [9000.0] * 100 + [40.0] * 10) == 10.0
    assert adjust_probe_interval(10.0, [9000.0] * 9) == 10.0
    assert adjust_probe_interval(10.0, []) == 10.0
    assert adjust_probe_interval(10.0, [float("nan")] * 5 + [600.0] * 5) == 10.0


@settings(deadline=None)
@given(st.floats(0.1, 1e4), st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_the_interval_stays_within_its_bounds(base_s: float, history: list[float]) -> None:
    found = adjust_probe_interval(base_s, history)
    assert base_s <= found <= base_s * 6.0


@pytest.mark.parametrize("base", [0.0, -1.0, float("nan"), float("inf")])
def test_a_base_interval_that_is_none(base: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        adjust_probe_interval(base, [])


def test_soft_timeout_by_hand() -> None:
    """60 samples of 100 ms with four of 900 ms in between: q98 is 0.9, MAD is 0."""
    policy = ProbePolicy()
    times = [0.1] * 30 + [0.9] * 4 + [0.1] * 30
    assert soft_timeout_s(times, policy) == pytest.approx(1.25 * 0.9)
    spread = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert soft_timeout_s(spread, policy) == pytest.approx(1.25 * 0.9 + 4 * 1.4826 * 0.2)


@settings(deadline=None)
@given(TIMES)
def test_soft_timeout_is_within_bounds_and_above_what_was_just_seen(times_s: list[float]) -> None:
    policy = ProbePolicy()
    soft_s = soft_timeout_s(times_s, policy)
    assert policy.soft_min_s <= soft_s <= policy.soft_max_s
    assert soft_s >= min(policy.soft_max_s, max(times_s[-8:]))


@settings(deadline=None)
@given(TIMES, st.floats(1, 5))
def test_soft_timeout_grows_with_the_times(times_s: list[float], factor: float) -> None:
    policy = ProbePolicy()
    assert soft_timeout_s([t * factor for t in times_s], policy) >= soft_timeout_s(times_s, policy) - 1e-9


def test_few_samples_take_the_initial_value() -> None:
    assert soft_timeout_s([0.1] * 7, ProbePolicy()) == ProbePolicy().soft_initial_s
