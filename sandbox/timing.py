"""How long things take in the sandbox, in real seconds.

Callers: every part of the sandbox, through world.Timing. Operations are named `<cloud>.<kind>.<verb>` with kind one of
cluster, nodepool, vm, network, subnet, firewall, loadbalancer, and verb create, update, delete; besides them
`node.join`, `node.leave`, `image.pull`, `container.start`.
"""

from __future__ import annotations

import math
import threading
from collections import Counter

from model.facts.operation_latency import latency_of
from model.rng import stream

PROFILES = ("instant", "realistic")
# Suffix of the operation -> seconds; the longest match wins. Short enough for tests, long enough that a client which
# does not wait for readiness is found out.
_INSTANT_S = {
    "cluster.create": 0.3,
    "cluster.update": 0.1,
    "cluster.delete": 0.1,
    "nodepool.create": 0.15,
    "nodepool.update": 0.1,
    "nodepool.delete": 0.1,
    "vm.create": 0.1,
    "vm.start": 0.1,
    "vm.stop": 0.05,
    "vm.delete": 0.05,
    "node.join": 0.1,
    "image.pull": 0.03,
    "container.start": 0.01,
}
_INSTANT_DEFAULT_S = 0.02


class Instant:
    """Small fixed durations, the same every time."""

    def duration_s(self, operation: str) -> float:
        return _INSTANT_S.get(".".join(operation.split(".")[-2:]), _INSTANT_DEFAULT_S)


class Realistic:
    """Log-normal durations from model.facts.operation_latency, divided by time_scale.

    The n-th draw of an operation depends on the seed, the operation and n alone, so runs repeat however the
    operations interleave. A log-normal is what creation times look like (positive, long right tail).
    """

    def __init__(self, time_scale: float = 1.0, seed: int = 0) -> None:
        if not time_scale > 0:
            raise ValueError(f"time scale {time_scale} must be above zero")
        self._scale, self._seed = time_scale, seed
        self._drawn: Counter[str] = Counter()
        self._lock = threading.Lock()

    def duration_s(self, operation: str) -> float:
        row = latency_of(operation)
        with self._lock:
            number = self._drawn[operation]
            self._drawn[operation] += 1
        z = stream(self._seed, "latency", operation, number).gauss(0.0, 1.0)
        return math.exp(row.mu + row.sigma * z) / self._scale


def timing(profile: str, time_scale: float = 1.0, seed: int = 0) -> Instant | Realistic:
    """ValueError where there is no such profile."""
    if profile == "instant":
        return Instant()
    if profile == "realistic":
        return Realistic(time_scale, seed)
    raise ValueError(f"no timing profile {profile!r}; there are {', '.join(PROFILES)}")
