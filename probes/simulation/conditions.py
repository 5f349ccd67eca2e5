"""The weather of one release: which path is slow, lossy or dead from when to when. Drawn from a scenario and a seed.

Callers: the simulator. Every detector of a release meets the same weather; what befalls single packets is drawn anew
for each. Seconds count from the beginning of the watch; the warm-up lies before 0. Non-goal: packets (network.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import assert_never

from model.rng import stream
from probes.simulation.scenario import (
    Constant,
    Distribution,
    Episode,
    Exponential,
    Lognormal,
    Pareto,
    Scenario,
    Scope,
    Uniform,
)

EXTRA_S = 420.0  # weather beyond the watch: pauses lengthen it, and crashes late in it take time to be found
MIN_RTT_S = 0.0002
MAX_EPISODES = 20_000  # a release with more is a mistake in the scenario, not weather

Draw = Callable[[Random], float]


def sampler(shape: Distribution) -> Draw:
    """A function that draws from a distribution."""
    match shape:
        case Constant(value=value):
            return lambda _: value
        case Uniform(low=low, high=high):
            return lambda rng: low + (high - low) * rng.random()
        case Exponential(mean=mean, max=top):
            return lambda rng: min(top, rng.expovariate(1.0 / mean))
        case Lognormal(median=median, sigma=sigma, max=top):
            return lambda rng: min(top, median * exp(sigma * rng.gauss(0.0, 1.0)))
        case Pareto(low=low, alpha=alpha, max=top):
            return lambda rng: min(top, low * (1.0 - rng.random()) ** (-1.0 / alpha))
        case _:
            assert_never(shape)


@dataclass(frozen=True, slots=True)
class Effect:
    """Trouble on a path. survives: the share of round trips that come through, both directions taken together."""

    start_s: float
    end_s: float
    delay_s: float = 0.0
    sigma: float = 0.0
    survives: float = 1.0
    lasting: bool = False  # a level shift: the new normal, no trouble


@dataclass(slots=True)
class Path:
    """From one vantage to one site. effects: in order of start_s."""

    base_s: float
    effects: tuple[Effect, ...] = ()

    @property
    def trouble(self) -> list[Effect]:
        """Effects but level shifts."""
        return [e for e in self.effects if not e.lasting]


@dataclass(slots=True)
class World:
    """One release's weather. stalls: per vantage, (start_s, end_s) in order, disjoint."""

    scenario: Scenario
    release: int
    seed: int
    paths: dict[tuple[int, int], Path]
    uplinks: tuple[tuple[Effect, ...], ...]
    stalls: tuple[tuple[tuple[float, float], ...], ...]
    end_s: float = 0.0

    def rng(self, *purpose: str | int) -> Random:
        """Randomness of one detector's run: the same for the same words."""
        return stream(self.seed, "run", self.release, *purpose)

    def awake_s(self, vantage: int, at_s: float) -> float:
        """at_s, or the end of the vantage's stall where it stands still then."""
        for start_s, end_s in self.stalls[vantage]:
            if start_s <= at_s < end_s:
                return end_s
        return at_s

    def lag_s(self, vantage: int, from_s: float, until_s: float) -> float:
        """The longest that the vantage stood still within these times."""
        return max(
            (
                min(end, until_s) - max(start, from_s)
                for start, end in self.stalls[vantage]
                if start < until_s and end > from_s
            ),
            default=0.0,
        )


def _poisson(rng: Random, mean: float) -> int:
    """How many arrivals of a Poisson process; by its gaps, so that no mean is too large for exp()."""
    count, at = 0, rng.expovariate(1.0)
    while at < mean and count < MAX_EPISODES:
        count += 1
        at += rng.expovariate(1.0)
    return count


class Weather:
    """Draws worlds of one scenario. Building it once saves time for many releases."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.end_s = scenario.watch_s + EXTRA_S
        self._duration = [sampler(e.duration_s) for e in scenario.episodes]
        self._delay = [sampler(e.delay_ms) if e.delay_ms else None for e in scenario.episodes]
        self._loss = [sampler(e.loss) if e.loss else None for e in scenario.episodes]
        self._spacing = [sampler(e.clusters.spacing_s) if e.clusters else None for e in scenario.episodes]
        self._shift = sampler(scenario.level_shifts.size_ms)

    def world(self, release: int) -> World:
        """The weather of one release: depends on scenario, seed and release only."""
        rng = stream(self.seed, "weather", release)
        links, vantages = len(self.scenario.links), len(self.scenario.vantages)
        effects: dict[tuple[int, int], list[Effect]] = {}
        uplinks: list[list[Effect]] = [[] for _ in range(vantages)]
        stalls: list[list[tuple[float, float]]] = [[] for _ in range(vantages)]
        for index, episode in enumerate(self.scenario.episodes):
            for start_s, place in self._arrivals(rng, index, episode):
                duration_s = max(0.0, self._duration[index](rng))
                if episode.stall:
                    stalls[place].append((start_s, start_s + duration_s))
                    continue
                effect = self._effect(rng, index, episode, start_s, duration_s)
                for key in _places(episode.scope, place, links, vantages):
                    effects.setdefault(key, []).append(effect)
                for vantage in range(vantages):
                    if episode.scope is Scope.EVERYWHERE or (episode.scope is Scope.VANTAGE and vantage == place):
                        uplinks[vantage].append(effect)
        self._shifts(rng, effects, links, vantages)
        paths = {
            (link, vantage): Path(
                rtt_ms / 1000, tuple(sorted(effects.get((link, vantage), ()), key=lambda e: e.start_s))
            )
            for link, row in enumerate(self.scenario.links)
            for vantage, rtt_ms in enumerate(row.rtt_ms)
        }
        return World(
            self.scenario,
            release,
            self.seed,
            paths,
            tuple(tuple(u) for u in uplinks),
            tuple(_merged(s) for s in stalls),
            self.end_s,
        )

    def _arrivals(self, rng: Random, index: int, episode: Episode) -> list[tuple[float, int]]:
        links, vantages = len(self.scenario.links), len(self.scenario.vantages)
        places = {Scope.PATH: links * vantages, Scope.LINK: links, Scope.VANTAGE: vantages, Scope.EVERYWHERE: 1}
        span_s = self.scenario.warmup_s + self.end_s
        count = _poisson(rng, episode.per_hour * places[episode.scope] * span_s / 3600)
        found: list[tuple[float, int]] = []
        for _ in range(count):
            at_s = -self.scenario.warmup_s + span_s * rng.random()
            place = rng.randrange(places[episode.scope])
            found.append((at_s, place))
            spacing = self._spacing[index]
            if episode.clusters is None or spacing is None or episode.clusters.mean_size <= 1:
                continue
            more = 1.0 - 1.0 / episode.clusters.mean_size
            while rng.random() < more and len(found) < MAX_EPISODES:
                at_s += max(0.0, spacing(rng))
                found.append((at_s, place))
        return found

    def _effect(self, rng: Random, index: int, episode: Episode, start_s: float, duration_s: float) -> Effect:
        delay, loss = self._delay[index], self._loss[index]
        delay_s = max(0.0, delay(rng)) / 1000 if delay else 0.0
        lost = 1.0 if episode.blackout else min(1.0, max(0.0, loss(rng))) if loss else 0.0
        return Effect(start_s, start_s + duration_s, delay_s, episode.delay_sigma, (1.0 - lost) ** 2)

    def _shifts(self, rng: Random, effects: dict[tuple[int, int], list[Effect]], links: int, vantages: int) -> None:
        span_s = self.scenario.warmup_s + self.end_s
        for _ in range(_poisson(rng, self.scenario.level_shifts.per_hour * links * vantages * span_s / 3600)):
            place = rng.randrange(links * vantages)
            at_s = -self.scenario.warmup_s + span_s * rng.random()
            size_s = self._shift(rng) / 1000 * (1.0 if rng.random() < 0.5 else -1.0)
            effects.setdefault(divmod(place, vantages), []).append(Effect(at_s, float("inf"), size_s, lasting=True))


def _places(scope: Scope, place: int, links: int, vantages: int) -> list[tuple[int, int]]:
    match scope:
        case Scope.PATH:
            return [divmod(place, vantages)]
        case Scope.LINK:
            return [(place, v) for v in range(vantages)]
        case Scope.VANTAGE:
            return [(link, place) for link in range(links)]
        case Scope.EVERYWHERE:
            return [(link, v) for link in range(links) for v in range(vantages)]


def _merged(spans: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    found: list[tuple[float, float]] = []
    for start_s, end_s in sorted(spans):
        if found and start_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(end_s, found[-1][1]))
        else:
            found.append((start_s, end_s))
    return tuple(found)


def log_uniform(rng: Random) -> float:
    """-log of a uniform number: exponential with mean 1, cheaper than expovariate."""
    return -log(1.0 - rng.random())
