"""Many callers of one account in virtual time; the cloud refuses at random, above a limit of its own, or always."""

from __future__ import annotations

import threading
from random import Random

import pytest

from benchmarks.providing import storm
from model.errors import CloudError, NotFound, Throttled, UnknownCloudError
from providers.base import Call
from providers.calls import Calls
from tests.provider_calls.virtual import VirtualTime

CREATES, THREADS, STEPS = 200, 48, ("look", "create", "read")
LATENCY_S = 0.05


class Refused(Exception):
    """What an SDK raises for a throttled request."""


def mapped(exc: BaseException, operation: str) -> CloudError:
    return Throttled(operation) if isinstance(exc, Refused) else UnknownCloudError(f"{operation}: {exc}")


class Cloud:
    """Refuses a share at random (share), or what is above so many requests a second (limit_per_s)."""

    def __init__(self, time: VirtualTime, seed: int, share: float = 0.0, limit_per_s: float = float("inf")) -> None:
        self._time, self._rng, self._share, self._limit_per_s = time, Random(seed), share, limit_per_s
        self._free, self._at_s, self._lock = 0.0, time.now_s, threading.Lock()
        self.asked = 0

    def answer(self) -> None:
        self._time.sleep(LATENCY_S)
        with self._lock:
            self.asked += 1
            now_s, limit = self._time.now_s, self._limit_per_s
            if limit < float("inf"):
                self._free, self._at_s = min(limit, self._free + (now_s - self._at_s) * limit), now_s
                if self._free < 1:
                    raise Refused
                self._free -= 1
            elif self._rng.random() < self._share:
                raise Refused


def create_all(time: VirtualTime, cloud: Cloud) -> tuple[Calls, list[Exception], float]:
    calls = Calls(mapped, rate_per_s=20.0, burst=40.0, sleep=time.sleep, clock=time.clock)
    began_s = time.now_s

    def create() -> None:
        call = Call(deadline_s=began_s + 1e6)
        for step in STEPS:
            calls.run(step, cloud.answer, call, api="write" if step == "create" else "read")

    raised = time.run([create] * CREATES, THREADS)
    return calls, raised, time.now_s - began_s


@pytest.mark.parametrize("seed", range(3))
def test_a_random_storm_costs_at_most_a_quarter_over_the_buckets(seed: int) -> None:
    time = VirtualTime()
    calls, raised, took_s = create_all(time, Cloud(time, seed, share=0.3))
    assert raised == []
    best_s = max(storm.optimum_s(bucket, 0) for bucket in calls.buckets.values())
    assert took_s / best_s <= 1.25


def test_a_look_up_that_finds_nothing_is_an_answer_to_the_bucket() -> None:
    """As one cloud's look-up before each create: were it none, the rate would recover by half of the requests alone."""
    time = VirtualTime()
    calls = Calls(lambda exc, operation: NotFound(operation), sleep=time.sleep, clock=time.clock)
    call = Call(deadline_s=time.now_s + 1e6)

    def nothing() -> None:
        raise Refused

    def look() -> None:
        for _ in range(10):
            with pytest.raises(NotFound):
                calls.run("look", nothing, call, api="read")

    assert time.run([lambda: calls.run("look", lambda: None, call, api="read")], 1) == []
    bucket = calls.buckets["read"]
    assert [bucket.throttled("look") for _ in range(2)] == [1, 2]
    assert bucket.rate_per_s == 10.0
    assert time.run([look], 1) == []
    assert bucket.rate_per_s == pytest.approx(20.0)
    assert bucket.throttled("look") == 1  # and the refusals in a row are over


def test_a_limit_of_the_cloud_costs_little_more_than_the_limit_itself() -> None:
    time = VirtualTime()
    cloud = Cloud(time, 0, limit_per_s=8.0)
    _, raised, took_s = create_all(time, cloud)
    assert raised == []
    needed = CREATES * len(STEPS)
    assert took_s <= 1.15 * needed / 8.0
    assert cloud.asked <= 3.2 * needed


def test_who_is_always_refused_backs_off_twice_as_long_each_time_and_gives_up() -> None:
    time = VirtualTime()
    cloud = Cloud(time, 0, share=1.0)
    calls = Calls(mapped, sleep=time.sleep, clock=time.clock, max_attempts=8)
    began_s = time.now_s
    raised = time.run([lambda: calls.run("x", cloud.answer, Call(deadline_s=began_s + 1e6))], 1)
    assert [type(e) for e in raised] == [Throttled]
    assert cloud.asked == 8
    ceiling_s = sum(0.2 * 2**n for n in range(1, 8))
    assert ceiling_s / 8 < time.now_s - began_s - 8 * LATENCY_S <= ceiling_s + 8 / 20
