"""Tiny runs of the provider layer's benchmark on the sandbox, and the token bucket in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

import providers.calls
from benchmarks.providers import peak_mib
from benchmarks.providing import listing, overhead, storm
from benchmarks.providing.worlds import Local
from providers.calls import TokenBucket
from sandbox.threaded import shared


@pytest.fixture(scope="module")
def world() -> Iterator[Local]:
    with shared() as running, Local(running).counting() as counted:
        yield counted


def test_a_tiny_listing_sees_every_copy_with_hardly_more_requests_than_must_be(world: Local) -> None:
    found = listing.run(world, total=30)
    assert found["resources"] == 3 * (6 + 4 + 1)
    assert 0 < found["api_calls"] <= found["api_calls_fewest"] + 4
    assert found["resources_per_s"] > 0
    assert 10 < peak_mib() < 10_000


def test_a_tiny_storm_makes_each_disk_once(world: Local) -> None:
    found = storm.run(world, creates=9, rate=0.3)
    assert (found["succeeded"], found["doubles"], found["missing"]) == (9, 0, 0)
    assert sum(found["requests"].values()) >= 9 * 2
    assert storm.run(world, creates=9, rate=0.0)["requests"] != {}  # the storm is over, and what is there stays once


def test_bare_and_ours_send_the_same(world: Local) -> None:
    found = overhead.run(world, rows=2, rounds=1, calls=1)
    assert {cloud: row["requests"] for cloud, row in found.items()} == {"aws": 2, "azure": 1, "alibaba": 1}
    assert all(row["bare_cpu_ms"] > 0 and row["ours_cpu_ms"] > 0 for row in found.values())


class Clock:
    """What providers.calls asks of the module `time`."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(providers.calls, "time", made)  # its own name only: the sandbox keeps the real clock
    return made


def bucket(clock: Clock, rate_per_s: float = 20.0, burst: float = 40.0) -> TokenBucket:
    return TokenBucket(rate_per_s, burst, _at=clock.now_s)


def send(clock: Clock, one: TokenBucket) -> None:
    number = one.reserve()
    clock.now_s += one.due_s(number)


def test_a_burst_goes_at_once_and_then_the_rate_holds(clock: Clock) -> None:
    one = bucket(clock)
    for _ in range(40):
        send(clock, one)
    assert clock.now_s == 100.0
    for _ in range(20):
        send(clock, one)
    assert clock.now_s == pytest.approx(101.0)


def test_one_window_halves_once_and_who_waits_gains_by_a_recovery(clock: Clock) -> None:
    one = bucket(clock)
    for _ in range(40):
        one.reserve()
    for _ in range(5):
        one.throttled()
    assert one.rate_per_s == 10.0
    last = [one.reserve() for _ in range(10)][-1]
    assert one.due_s(last) == pytest.approx(1.0)
    assert one.soonest_s(last) == pytest.approx(0.5)
    for _ in range(10):
        one.succeeded()
    assert one.due_s(last) == pytest.approx(0.5)
    for _ in range(40):
        one.reserve()
    one.throttled()
    assert one.rate_per_s == 10.0
    assert one.full_rate_per_s == 20.0


@pytest.mark.parametrize("seed", range(5))
def test_a_storm_costs_little_more_than_the_bucket_itself(clock: Clock, seed: int) -> None:
    """30 % refused at random: the time for as many tokens at the full rate, and at most a quarter more."""
    one, rng = bucket(clock), Random(seed)
    for _ in range(1_500):
        send(clock, one)
        if rng.random() < 0.3:
            one.throttled()
        else:
            one.succeeded()
    assert 1.0 < (clock.now_s - 100.0) / storm.optimum_s(one, 0) <= 1.25
