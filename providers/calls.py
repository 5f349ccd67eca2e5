"""How every adapter talks to its API: our own rate limit, retry with full jitter, and error mapping, once.

The SDKs' own retries are switched off. `Calls.run` maps the SDK's exception, then decides by the mapped type alone.
Full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Where the service only
throttles, the bucket sets the pace, and the backoff grows with the refusals since anybody's request of that operation
got through: the unlucky one of many does not sleep while the others are served.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, TypeVar

from model.errors import CloudError, DuoyunError, Interrupted, Throttled, Transient, Unreachable
from providers.base import Call
from providers.bucket import TokenBucket

T = TypeVar("T")
ErrorMapper = Callable[[BaseException, str], CloudError]
"""(SDK exception, operation) -> our error. Must never raise; what it does not know becomes UnknownCloudError."""


class Calls:
    """One per account: buckets by API, retries until the call's deadline. Thread-safe.

    max_attempts: of one call; what is throttled goes on to its deadline while others of its operation are served.
    sleep, clock: seconds, monotonic.
    """

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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._map, self._rate, self._burst = mapper, rate_per_s, burst
        self._base_s, self._cap_s, self._max_attempts = base_s, cap_s, max_attempts
        self._rng, self._sleep, self._clock = Random(seed), sleep, clock  # noqa: S311  (jitter is no secret)
        self._buckets: dict[str, TokenBucket] = {}
        self._lock = threading.Lock()

    @property
    def buckets(self) -> Mapping[str, TokenBucket]:
        """By API, those that were asked so far."""
        with self._lock:
            return dict(self._buckets)

    def run(self, operation: str, fn: Callable[[], T], call: Call, *, api: str = "", write: bool = False) -> T:
        """fn() with retries. write: asks call.guard() right before each attempt. Raises model.errors only."""
        bucket = self._bucket(api or operation)
        attempts, last = 0, None
        alone, served = 0, bucket.served(operation)  # of this call: refusals since anybody's was served
        while True:
            try:
                return self._attempt(bucket, operation, fn, call, write)
            except (Throttled, Transient, Unreachable) as error:
                if isinstance(error, OutOfTime) and last is not None:
                    raise last from error  # it says why the time went by
                attempts, last = attempts + 1, error
                tries = attempts
                if isinstance(error, Throttled):
                    bucket.throttled(operation)
                    now = bucket.served(operation)
                    tries = alone = 1 + (alone if now == served else 0)
                    served = now
                delay_s = self._delay_s(error, tries)
                if tries >= self._max_attempts or delay_s >= call.remaining_s():
                    raise
                told = str(error)
                said = told if told.startswith(operation) else f"{operation}: {told}"
                call.progress(f"{said}; again in {delay_s:.1f} s")
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
            error = self._map(exc, operation)
            if not isinstance(error, Throttled | Transient | Unreachable):
                bucket.succeeded(operation)  # "there is none" is an answer, too: our rate was not too high for it
            raise error from exc
        bucket.succeeded(operation)
        return result

    def _delay_s(self, error: CloudError, tries: int) -> float:
        """Full jitter; at least what the cloud asks for."""
        delay_s = self._rng.uniform(0, min(self._cap_s, self._base_s * 2**tries))
        return max(delay_s, error.retry_after_s or 0.0) if isinstance(error, Throttled) else delay_s

    def _bucket(self, api: str) -> TokenBucket:
        with self._lock:
            return self._buckets.setdefault(api, TokenBucket(self._rate, self._burst, self._clock))

    def _take(self, bucket: TokenBucket, call: Call, operation: str) -> None:
        """Waits for a token of the bucket."""
        number = bucket.reserve()
        if bucket.soonest_s(number) > call.remaining_s():
            raise OutOfTime(operation)
        while True:
            _go_on(call, operation)
            left = bucket.due_s(number)
            if left <= 0:
                return
            if call.remaining_s() <= 0:
                raise OutOfTime(operation)
            self._sleep(min(0.2, left))

    def _wait(self, seconds: float, call: Call, operation: str) -> None:
        """Sleeps in slices, so that a cancel is noticed within 0.2 s and the deadline is kept."""
        if seconds > call.remaining_s():
            raise OutOfTime(operation)
        end = self._clock() + seconds
        while True:
            _go_on(call, operation)
            left = end - self._clock()
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


class OutOfTime(Unreachable):
    """The call's deadline leaves no room for a request: nothing was sent."""

    def __init__(self, operation: str, **kwargs: Any) -> None:
        mend = "raise --timeout, or look at what throttles this account"
        super().__init__(f"{operation}: no time left before the deadline", mend=mend, **kwargs)

    @property
    def reason(self) -> str:
        return "unreachable"


def _go_on(call: Call, operation: str) -> None:
    if call.cancelled():
        raise Interrupted(f"{operation}: stopped on request", mend="duoyun resume goes on from here")
