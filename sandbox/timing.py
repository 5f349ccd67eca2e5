"""How long things take in the sandbox, in real seconds, and the log of what was drawn.

Callers: every part of the sandbox, through world.Timing; the control API reads the log. Operations are named
`<cloud>.<kind>.<verb>` with kind one of cluster, nodepool, vm, network, subnet, firewall, and verb create, update,
delete; besides them `node.join`, `image.pull` (`image.pull.cn` from a registry in mainland China), `container.start`,
`kubernetes.loadbalancer.create`.

A realistic duration depends on the seed, the operation, the resource's key and how often that pair was drawn before,
and on nothing else: the order in which requests arrive changes no draw. Where several things share a key (the replicas
of one service), the set of their durations repeats, and which of them gets which does not matter.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from model.facts.operation_latency import latency_of
from model.rng import stream
from sandbox.files import append_private

PROFILES = ("instant", "realistic")
DRAWS_FILE = "draws.jsonl"
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
    "disk.create": 0.1,
    "node.join": 0.1,
    "image.pull": 0.03,
    "pull.cn": 0.03,
    "container.start": 0.01,
}
_INSTANT_DEFAULT_S = 0.02


@dataclass(frozen=True, slots=True)
class Draw:
    """One duration that was drawn. start_s: seconds since the epoch. drawn_s: as long as in life; scaled_s: what was
    waited here, drawn_s divided by the time scale. resource: the key of the draw; detail: which thing it was."""

    number: int
    operation: str
    resource: str
    detail: str
    start_s: float
    drawn_s: float
    scaled_s: float


class Draws:
    """The log of draws: in memory, and as JSON lines in a file where one is named; numbers begin anew at each start.

    Thread-safe.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._rows: list[Draw] = []
        self._lock = threading.Lock()
        self._file: IO[str] | None = append_private(path) if path else None

    def add(self, operation: str, resource: str, detail: str, drawn_s: float, scaled_s: float) -> None:
        with self._lock:
            row = Draw(len(self._rows), operation, resource, detail, time.time(), drawn_s, scaled_s)
            self._rows.append(row)
            if self._file is not None:
                self._file.write(json.dumps(asdict(row)) + "\n")

    def since(self, number: int = 0) -> list[dict[str, Any]]:
        """The draws from that number on, as JSON data."""
        with self._lock:
            return [asdict(row) for row in self._rows[number:]]

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


class Clock(Protocol):
    """world.Timing with its log."""

    draws: Draws

    def duration_s(self, operation: str, resource: str = "", detail: str = "") -> float: ...


class Instant:
    """Small fixed durations, the same every time."""

    def __init__(self, draws: Draws | None = None) -> None:
        self.draws = draws or Draws()

    def duration_s(self, operation: str, resource: str = "", detail: str = "") -> float:
        seconds = _INSTANT_S.get(".".join(operation.split(".")[-2:]), _INSTANT_DEFAULT_S)
        self.draws.add(operation, resource, detail, seconds, seconds)
        return seconds


class Realistic:
    """Log-normal durations from model.facts.operation_latency, divided by time_scale.

    A log-normal is what creation times look like (positive, long right tail). ValueError for a scale that is not a
    number above zero.
    """

    def __init__(self, time_scale: float = 1.0, seed: int = 0, draws: Draws | None = None) -> None:
        if not (time_scale > 0 and math.isfinite(time_scale)):
            raise ValueError(f"time scale {time_scale} must be a number above zero")
        self._scale, self._seed = time_scale, seed
        self._drawn: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self.draws = draws or Draws()

    def duration_s(self, operation: str, resource: str = "", detail: str = "") -> float:
        row = latency_of(operation)
        with self._lock:
            number = self._drawn[operation, resource]
            self._drawn[operation, resource] += 1
        z = stream(self._seed, "latency", operation, resource, number).gauss(0.0, 1.0)
        drawn_s = math.exp(row.mu + row.sigma * z)
        self.draws.add(operation, resource, detail, drawn_s, drawn_s / self._scale)
        return drawn_s / self._scale


def timing(profile: str, time_scale: float = 1.0, seed: int = 0, draws: Draws | None = None) -> Instant | Realistic:
    """ValueError where there is no such profile."""
    if profile == "instant":
        return Instant(draws)
    if profile == "realistic":
        return Realistic(time_scale, seed, draws)
    raise ValueError(f"no timing profile {profile!r}; there are {', '.join(PROFILES)}")
