"""How every adapter talks to its API: our own rate limit, retry with full jitter, and error mapping, once.

The SDKs' own retries are switched off. `Calls.run` maps the SDK's exception, then decides by the mapped type alone.
Full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from model.errors import CloudError, DuoyunError, Interrupted, Throttled, Transient, Unreachable
from providers.base import Call

T = TypeVar("T")
ErrorMapper = Callable[[BaseException, str], CloudError]
"""(SDK exception, operation) -> our error. Must never raise; what it does not know becomes UnknownCloudError."""


@dataclass
class TokenBucket:
    """rate_per_s tokens a second up to burst. Throttling halves the rate, each success restores 5 % of full.

    Additive increase, multiplicative decrease as in TCP congestion avoidance (RFC 5681, 3.1), and once a window only
    (RFC 6582, 1: several losses of one window are one event): after a halving, as many tokens as the burst are taken
    before the next. A cloud that refuses at random would else keep the rate near its floor, however slow we are.
    """

    rate_per_s: float
    burst: float
    full_rate_per_s: float = field(init=False)
    taken: int = field(init=False, default=0)
    """Tokens that were ever asked for."""
    _given: float = field(init=False)
    _deaf_until: float = field(init=False, default=0.0)
    _at: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.full_rate_per_s, self._given = self.rate_per_s, self.burst

    def reserve(self) -> int:
        """Takes one token, on credit if need be; returns its number, to be asked `due_s` with."""
        with self._lock:
            self._accrue()
            self.taken += 1
            return self.taken

    def due_s(self, number: int) -> float:
        """Seconds until that token may be used, at the present rate: who waits asks again, as rates change."""
        with self._lock:
            self._accrue()
            return max(0.0, (number - self._given) / self.rate_per_s)

    def soonest_s(self, number: int) -> float:
        """The same if the full rate came back at once."""
        return self.due_s(number) * self.rate_per_s / self.full_rate_per_s

    def _accrue(self) -> None:
        now = time.monotonic()
        self._given = min(self.taken + self.burst, self._given + (now - self._at) * self.rate_per_s)
        self._at = now

    def throttled(self) -> None:
        with self._lock:
            if self.taken < self._deaf_until:
                return
            self._accrue()
            self._deaf_until = self.taken + self.burst
            self.rate_per_s = max(self.full_rate_per_s / 64, self.rate_per_s / 2)

    def succeeded(self) -> None:
        with self._lock:
            if self.rate_per_s < self.full_rate_per_s:
                self._accrue()
                self.rate_per_s = min(self.full_rate_per_s, self.rate_per_s + 0.05 * self.full_rate_per_s)


class Calls:
    """One per account: buckets by API, retries until the call's deadline. Thread-safe."""

    def __init__(
        self,
        mapper: ErrorMapper,
        *,
        rate_per_s: float = 20.0,
        burst: float = 40.0,
        base_s: float = 0.2,
        cap_s: float = 20.0,
        max_attempts: int = 12,
        seed: int = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._map, self._rate, self._burst = mapper, rate_per_s, burst
        self._base_s, self._cap_s, self._max_attempts = base_s, cap_s, max_attempts
        self._rng, self._sleep = Random(seed), sleep  # noqa: S311  (jitter is no secret)
        self._buckets: dict[str, TokenBucket] = {}
        self._lock = threading.Lock()

    def run(self, operation: str, fn: Callable[[], T], call: Call, *, api: str = "", write: bool = False) -> T:
        """fn() with retries. write: asks call.guard() right before each attempt. Raises model.errors only."""
        bucket = self._bucket(api or operation)
        attempts = 0
        while True:
            try:
                return self._attempt(bucket, operation, fn, call, write)
            except (Throttled, Transient, Unreachable) as error:
                attempts += 1
                delay_s = self._delay_s(error, attempts, bucket)
                if attempts >= self._max_attempts or delay_s >= call.remaining_s():
                    raise
                call.progress(f"{operation}: {error}; again in {delay_s:.1f} s")
            self._wait(delay_s, call, operation)

    def _attempt(self, bucket: TokenBucket, operation: str, fn: Callable[[], T], call: Call, write: bool) -> T:
        self._take(bucket, call, operation)
        if write:
            call.guard()
        try:
            result = fn()
        except DuoyunError:
            raise
        except Exception as exc:
            raise self._map(exc, operation) from exc
        bucket.succeeded()
        return result

    def _delay_s(self, error: CloudError, attempts: int, bucket: TokenBucket) -> float:
        """Full jitter; at least what the cloud asks for. Also slows the bucket where it was too fast."""
        delay_s = self._rng.uniform(0, min(self._cap_s, self._base_s * 2**attempts))
        if isinstance(error, Throttled):
            bucket.throttled()
            return max(delay_s, error.retry_after_s or 0.0)
        return delay_s

    def _bucket(self, api: str) -> TokenBucket:
        with self._lock:
            return self._buckets.setdefault(api, TokenBucket(self._rate, self._burst))

    def _take(self, bucket: TokenBucket, call: Call, operation: str) -> None:
        """Waits for a token of the bucket."""
        number = bucket.reserve()
        if bucket.soonest_s(number) > call.remaining_s():
            raise _no_time(operation)
        while True:
            _go_on(call, operation)
            left = bucket.due_s(number)
            if left <= 0:
                return
            if call.remaining_s() <= 0:
                raise _no_time(operation)
            self._sleep(min(0.2, left))

    def _wait(self, seconds: float, call: Call, operation: str) -> None:
        """Sleeps in slices, so that a cancel is noticed within 0.2 s and the deadline is kept."""
        if seconds > call.remaining_s():
            raise _no_time(operation)
        end = time.monotonic() + seconds
        while True:
            _go_on(call, operation)
            left = end - time.monotonic()
            if left <= 0:
                return
            self._sleep(min(0.2, left))

    def poll(self, operation: str, ready: Callable[[], T | None], call: Call, *, every_s: float = 0.25) -> T:
        """Calls ready() until it returns something, backing off from every_s to 5 s. Unreachable at the deadline."""
        interval_s = every_s
        while True:
            result = ready()
            if result is not None:
                return result
            self._wait(interval_s, call, operation)
            interval_s = min(5.0, interval_s * 1.3)


def _go_on(call: Call, operation: str) -> None:
    if call.cancelled():
        raise Interrupted(f"{operation}: stopped on request", mend="duoyun resume goes on from here")


def _no_time(operation: str) -> Unreachable:
    return Unreachable(
        f"{operation}: no time left before the deadline",
        mend="raise --timeout, or look at what throttles this account",
    )
