"""Detectors that expect a heartbeat by some moment: phi accrual, Chen's, Bertier's, two windows.

A heartbeat here is the answer to a question on an open connection, in order, as TCP delivers it. Sources: Hayashibara,
Defago, Yared, Katayama, The phi accrual failure detector (SRDS 2004), with the logistic approximation and the settings
of Akka's cluster (threshold 8, acceptable pause 3 s, least deviation 100 ms, 1000 samples); Chen, Toueg, Aguilera, On
the quality of service of failure detectors (IEEE ToC 2002), NFD-E; Bertier, Marin, Sens, Implementation and performance
evaluation of an adaptable failure detector (DSN 2002); Tomsic, Sens, Garcia, Arantes, Sopena, 2W-FD (IPDPS 2015).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import exp, log10, sqrt
from typing import Protocol

from probes.simulation.conditions import World
from probes.simulation.network import NEVER, Crash, Network
from probes.simulation.watched import Watched

PHI_THRESHOLD = 8.0
PHI_PAUSE_S = 3.0
PHI_MIN_DEVIATION_S = 0.1
PHI_INTERVAL_S = 1.0
CHEN_INTERVAL_S = 10.0
CHEN_MARGIN_S = 20.0
LARGE_WINDOW = 1000
GIVEN_UP_S = 120.0


class _Expectation(Protocol):
    """Learns from arrivals, says by when the next one is due. failing: it came after that moment had passed."""

    def arrived(self, number: int, at_s: float, failing: bool, /) -> float: ...


def _phi(y: float) -> float:
    """Akka's phi at y deviations past the mean."""
    e = exp(-y * (1.5976 + 0.070566 * y * y))
    return -log10(e / (1.0 + e))


def _deviations(threshold: float) -> float:
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if exp(-middle * (1.5976 + 0.070566 * middle**2)) > 0 and _phi(middle) < threshold
            else (low, middle)
        )
    return high


class _Phi:
    """The due time is where phi crosses the threshold. The first interval after a failure is no sample, as in Akka."""

    def __init__(self) -> None:
        first_s = PHI_INTERVAL_S
        self._intervals: deque[float] = deque([first_s - first_s / 4, first_s + first_s / 4], maxlen=LARGE_WINDOW)
        self._sum = sum(self._intervals)
        self._squares = sum(i * i for i in self._intervals)
        self._last_s: float | None = None
        self._deviations = _deviations(PHI_THRESHOLD)

    def arrived(self, _number: int, at_s: float, failing: bool, /) -> float:
        if self._last_s is not None and not failing:
            interval_s = at_s - self._last_s
            if len(self._intervals) == LARGE_WINDOW:
                oldest = self._intervals[0]
                self._sum -= oldest
                self._squares -= oldest * oldest
            self._intervals.append(interval_s)
            self._sum += interval_s
            self._squares += interval_s * interval_s
        self._last_s = at_s
        count = len(self._intervals)
        mean = self._sum / count
        deviation = max(PHI_MIN_DEVIATION_S, sqrt(max(0.0, self._squares / count - mean * mean)))
        return at_s + mean + PHI_PAUSE_S + self._deviations * deviation


class _Chen:
    """Expected arrivals over one or more windows; the latest of them, plus a margin."""

    def __init__(self, interval_s: float, margin_s: float, *sizes: int) -> None:
        self._interval_s = interval_s
        self._margin_s = margin_s
        self._windows = [deque[float](maxlen=n) for n in sizes]

    def arrived(self, number: int, at_s: float, _failing: bool, /) -> float:
        for window in self._windows:
            window.append(at_s - number * self._interval_s)
        return self.expected_s(number + 1) + self._margin_s

    def expected_s(self, number: int) -> float:
        return max(sum(w) / len(w) for w in self._windows) + number * self._interval_s


class _Bertier(_Chen):
    """Chen's expectation with Jacobson's margin: beta 1, phi 4, gamma 0.1."""

    def __init__(self, interval_s: float) -> None:
        super().__init__(interval_s, 0.0, LARGE_WINDOW)
        self._due_s: float | None = None
        self._delay_s = 0.0
        self._spread_s = 0.0

    def arrived(self, number: int, at_s: float, failing: bool, /) -> float:
        if self._due_s is not None:
            error_s = at_s - self.expected_s(number) - self._delay_s
            self._delay_s += 0.1 * error_s
            self._spread_s += 0.1 * (abs(error_s) - self._spread_s)
        super().arrived(number, at_s, failing)
        self._due_s = self.expected_s(number + 1) + self._delay_s + 4 * self._spread_s
        return self._due_s


def _heartbeats(
    name: str, interval_s: float, world: World, link: int, service: int, crash: Crash | None, from_s: float,
    until_s: float, found: Watched,
) -> Iterator[tuple[int, float]]:  # fmt: skip
    """(number, when it is read) of each heartbeat that arrives, in order."""
    rng = world.rng(name, link, service)
    network, path = Network(world, rng), world.paths[link, 0]
    at_s, number, last_s = from_s + interval_s * rng.random(), 0, from_s
    while at_s < until_s:
        start_s = world.awake_s(0, at_s)
        seen = network.keep_alive(path, start_s, crash, GIVEN_UP_S)
        found.probes += at_s >= 0
        if not seen.refused and seen.elapsed_s != NEVER:
            last_s = world.awake_s(0, max(last_s, start_s + seen.elapsed_s))
            yield number, last_s
        number += 1
        at_s += interval_s


def _watch(
    name: str, interval_s: float, expectation: _Expectation, world: World, link: int, service: int,
    crash: Crash | None, from_s: float, until_s: float,
) -> Watched:  # fmt: skip
    found = Watched()
    due_s: float | None = None
    for number, at_s in _heartbeats(name, interval_s, world, link, service, crash, from_s, until_s, found):
        failing = False
        if due_s is not None:
            noticed_s = world.awake_s(0, due_s)
            if noticed_s < at_s:
                failing = True
                found.changes += [(noticed_s, True), (at_s, False)]
        due_s = expectation.arrived(number, at_s, failing)
    end_s = world.awake_s(0, due_s) if due_s is not None else from_s + GIVEN_UP_S
    if end_s < until_s:
        found.changes.append((end_s, True))
    return found


def phi_akka(world: World, link: int, service: int, crash: Crash | None, from_s: float, until_s: float) -> Watched:
    """Every 1 s; suspected where phi exceeds 8."""
    return _watch("phi", PHI_INTERVAL_S, _Phi(), world, link, service, crash, from_s, until_s)


def chen(world: World, link: int, service: int, crash: Crash | None, from_s: float, until_s: float) -> Watched:
    """Every 10 s; suspected 20 s after the expected arrival, so that a crash is found as late as by `fixed`."""
    expectation = _Chen(CHEN_INTERVAL_S, CHEN_MARGIN_S, LARGE_WINDOW)
    return _watch("chen", CHEN_INTERVAL_S, expectation, world, link, service, crash, from_s, until_s)


def two_window(world: World, link: int, service: int, crash: Crash | None, from_s: float, until_s: float) -> Watched:
    """As chen, by the later of the expectations over 1 and over 1000 arrivals."""
    expectation = _Chen(CHEN_INTERVAL_S, CHEN_MARGIN_S, 1, LARGE_WINDOW)
    return _watch("two_window", CHEN_INTERVAL_S, expectation, world, link, service, crash, from_s, until_s)


def bertier(world: World, link: int, service: int, crash: Crash | None, from_s: float, until_s: float) -> Watched:
    """Every 10 s; suspected at the expected arrival plus a margin that follows the errors."""
    expectation = _Bertier(CHEN_INTERVAL_S)
    return _watch("bertier", CHEN_INTERVAL_S, expectation, world, link, service, crash, from_s, until_s)
