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

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from model.errors import CloudError, DuoyunError, Interrupted, Throttled, Transient, Unreachable
from providers.base import Call

T = TypeVar("T")
ErrorMapper = Callable[[BaseException, str], CloudError]
"""(SDK exception, operation) -> our error. Must never raise; what it does not know becomes UnknownCloudError."""


@dataclass
class TokenBucket:
    """rate_per_s tokens a second up to burst. Throttling halves the rate, each success restores 5 % of full.

    Additive increase, multiplicative decrease as in TCP congestion avoidance (RFC 5681, 3.1).
    """

    rate_per_s: float
    burst: float
    _full: float = field(init=False)
    _tokens: float = field(init=False)
    _at: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._full, self._tokens = self.rate_per_s, self.burst

    def reserve(self) -> float:
        """Takes one token, on credit if need be; returns the seconds to wait before using it."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate_per_s)
            self._at = now
            self._tokens -= 1.0
            return max(0.0, -self._tokens / self.rate_per_s)

    def throttled(self) -> None:
        with self._lock:
            self.rate_per_s = max(self._full / 64, self.rate_per_s / 2)

    def succeeded(self) -> None:
        with self._lock:
            self.rate_per_s = min(self._full, self.rate_per_s + 0.05 * self._full)


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

        def attempt() -> T:
            self._wait(bucket.reserve(), call, operation)
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

        def delay_s(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            delay = self._rng.uniform(0, min(self._cap_s, self._base_s * 2**state.attempt_number))
            if isinstance(error, Throttled):
                bucket.throttled()
                delay = max(delay, error.retry_after_s or 0.0)
            return delay

        def stop(state: RetryCallState) -> bool:
            return state.attempt_number >= self._max_attempts or state.upcoming_sleep >= call.remaining_s()

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            call.progress(f"{operation}: {error}; again in {state.upcoming_sleep:.1f} s")

        return Retrying(
            retry=retry_if_exception_type((Throttled, Transient, Unreachable)),
            wait=delay_s,
            stop=stop,
            before_sleep=tell,
            sleep=lambda seconds: self._wait(float(seconds), call, operation),
            reraise=True,
        )(attempt)

    def _bucket(self, api: str) -> TokenBucket:
        with self._lock:
            return self._buckets.setdefault(api, TokenBucket(self._rate, self._burst))

    def _wait(self, seconds: float, call: Call, operation: str) -> None:
        """Sleeps in slices, so that a cancel is noticed within 0.2 s and the deadline is kept."""
        if seconds > call.remaining_s():
            raise Unreachable(
                f"{operation}: no time left before the deadline",
                mend="raise --timeout, or look at what throttles this account",
            )
        end = time.monotonic() + seconds
        while True:
            if call.cancelled():
                raise Interrupted(f"{operation}: stopped on request", mend="duoyun resume goes on from here")
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
