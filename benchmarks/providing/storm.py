"""Creating while the clouds refuse: 1,000 disks over all clouds, 30 % of all requests throttled.

over_optimum is the wall time against what the token buckets alone would take: each bucket had to give as many tokens
as requests were sent through it, and no schedule gives n tokens sooner than (n - burst) / rate. The bucket that takes
longest decides, as the clouds work side by side. AWS's bucket, which on loopback is wider than moto is fast, is the
others' size here. over_optimum_by_cloud: the same for each, until its own last create. Doubles are looked for in the
clouds' own records.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest import mock

from benchmarks.providing.listing import call
from benchmarks.providing.worlds import PLACES, Place, World, account
from model.errors import DuoyunError
from model.resources import Address, Disk, Kind
from orchestrator.registry import open_cloud
from providers.aws import session
from providers.base import CloudProvider
from providers.bucket import TokenBucket
from providers.calls import Calls

FLEET = "storm"
Name = tuple[str, int, str]
"""Cloud, which of its adapter's Calls, and the API that it knows the bucket by."""
_busy = threading.local()
"""cloud: whose adapter this thread is in."""
AT_ONCE = 64
RATE = (20.0, 40.0)  # requests per second and burst: what providers.calls gives where nobody says otherwise


def _one(job: tuple[CloudProvider, Place, int], ended_s: dict[str, float]) -> str:
    """Reason of the error, "" where it went well. ended_s: cloud -> when its last one ended."""
    provider, place, number = job
    _busy.cloud = place.cloud
    wanted = Disk(name=f"disk-{number}", zone=place.zone, size_gib=40)
    at = Address(place.partition, provider.account.account_id, place.region, Kind.DISK, wanted.name)
    try:
        provider.create(at, wanted, call(f"{FLEET}-{place.cloud}-{number}", FLEET))
    except DuoyunError as exc:
        return exc.reason
    finally:
        ended_s[place.cloud] = time.perf_counter()
    return ""


def _warm(providers: list[CloudProvider]) -> None:
    """Clients, credentials and zones are there before the clock starts; nothing is listed yet."""
    for provider, place in zip(providers, PLACES, strict=True):
        _busy.cloud = place.cloud
        list(provider.list(Kind.DISK, place.region, call(fleet=FLEET), fleet=FLEET))


@contextmanager
def watched() -> Iterator[dict[Name, TokenBucket]]:
    """Every bucket that is used from now on, by whose it is."""
    found: dict[Name, TokenBucket] = {}
    bucket_of = Calls._bucket

    def noted(calls: Calls, api: str) -> TokenBucket:
        bucket = bucket_of(calls, api)
        found[_busy.cloud, id(calls), api] = bucket
        return bucket

    with mock.patch.object(Calls, "_bucket", noted):
        yield found


def optimum_s(bucket: TokenBucket, taken_before: int) -> float:
    """Seconds from a full bucket until it has given all the tokens that were taken, at its full rate."""
    return max(0.0, (bucket.taken - taken_before - bucket.burst) / bucket.full_rate_per_s)


def run(world: World, creates: int = 1_000, rate: float = 0.3) -> dict[str, Any]:
    with watched() as buckets, mock.patch.object(session, "_LOOPBACK_RATE", RATE):
        providers = [open_cloud(account(world, place)) for place in PLACES]
        _warm(providers)
        before = world.requests()
        taken = {key: bucket.taken for key, bucket in buckets.items()}
        world.storm(rate)
        jobs = [(providers[n % len(PLACES)], PLACES[n % len(PLACES)], n) for n in range(creates)]
        ended_s: dict[str, float] = {}
        began_s = time.perf_counter()
        try:
            with ThreadPoolExecutor(AT_ONCE * len(PLACES)) as pool:
                failures = Counter(filter(None, pool.map(lambda job: _one(job, ended_s), jobs)))
        finally:
            wall_s = time.perf_counter() - began_s
            world.storm(0)
        after = world.requests()
        best_by: dict[str, float] = {}
        for key, bucket in buckets.items():
            best_by[key[0]] = max(best_by.get(key[0], 0.0), optimum_s(bucket, taken.get(key, 0)))
        best_s = max(best_by.values())
    there = Counter(world.owned(FLEET))
    sent = {place.cloud: after.get(place.cloud, 0) - before.get(place.cloud, 0) for place in PLACES}
    return {
        "creates": creates,
        "throttled_share": rate,
        "succeeded": creates - failures.total(),
        "failures": dict(failures),
        "doubles": sum(count - 1 for count in there.values()),
        "missing": sum(f"disk-{n}" not in there for n in range(creates)),
        "requests": sent,
        "wall_s": round(wall_s, 2),
        "optimum_s": round(best_s, 2),
        "over_optimum": _over(wall_s, best_s),
        "over_optimum_by_cloud": {name: _over(ended_s[name] - began_s, best_by[name]) for name in sorted(ended_s)},
    }


def _over(wall_s: float, best_s: float) -> float | None:
    return round(wall_s / best_s, 3) if best_s else None
