"""What becomes of one probe: packets that are slow or lost, TCP that sends them again, a program that stands still.

A connection's first packet is sent again after 1 s, then 2, 4, ... (RFC 6298, 2.1 and 5.5); data after the round trip
plus the kernel's least variance of 200 ms (Linux TCP_RTO_MIN), doubled each time. A round trip survives where both its
packets do. Callers: the runs of detectors. Non-goals: bandwidth, congestion windows, TLS's extra round trips.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from random import Random

from probes.simulation.conditions import Effect, Path, World, log_uniform, sampler

SYN_RTO_S = 1.0
MIN_VARIANCE_S = 0.2
MIN_RTT_S = 0.0002
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Crash:
    """When a service dies, and whether its machine still refuses connections or says nothing at all."""

    at_s: float
    refuses: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """elapsed_s: until the answer, infinity where none comes. refused: the answer was a refusal."""

    elapsed_s: float
    refused: bool = False


class Network:
    """The packets of one run. rng: this run's own."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        noise, service = world.scenario.noise, world.scenario.service
        self._jitter_s = noise.jitter_mean_ms / 1000
        self._tail_share = noise.tail_share
        self._tail = sampler(noise.tail_ms)
        self._survives = (1.0 - noise.loss) ** 2
        self._time = sampler(service.time_ms)
        self._hiccup_share = service.hiccup_share
        self._hiccup = sampler(service.hiccup_ms)
        self._peer_survives = (1.0 - world.scenario.peers.loss) ** 2

    def keep_alive(self, path: Path, at_s: float, crash: Crash | None, limit_s: float) -> Seen:
        """One round trip on an open connection, and the service's own time."""
        seen = self._round_trip(path, at_s, path.base_s + MIN_VARIANCE_S, crash, limit_s)
        return seen if seen.refused or seen.elapsed_s == NEVER else Seen(seen.elapsed_s + self._service_s())

    def fresh(self, path: Path, at_s: float, crash: Crash | None, limit_s: float) -> tuple[Seen, float]:
        """A new connection and a request on it; also how long connecting took."""
        opened = self._round_trip(path, at_s, SYN_RTO_S, crash, limit_s)
        if opened.refused or opened.elapsed_s == NEVER:
            return opened, opened.elapsed_s
        rto_s = opened.elapsed_s + 2 * opened.elapsed_s  # RFC 6298 2.2: the first sample's variance is half of it
        rest = self._round_trip(path, at_s + opened.elapsed_s, rto_s, crash, limit_s - opened.elapsed_s)
        if rest.elapsed_s == NEVER or rest.refused:
            return Seen(opened.elapsed_s + rest.elapsed_s, rest.refused), opened.elapsed_s
        return Seen(opened.elapsed_s + rest.elapsed_s + self._service_s()), opened.elapsed_s

    def datagram(self, path: Path, at_s: float, crash: Crash | None) -> float:
        """One packet there and one back, nothing sent again; infinity where one of them is lost."""
        seen = self._round_trip(path, at_s, NEVER, crash, NEVER)
        return NEVER if seen.refused else seen.elapsed_s

    def peer_delay_s(self, vantage: int, at_s: float, limit_s: float = 120.0) -> float:
        """One way between the detector's own vantage and another; infinity where the message is gone for good."""
        if vantage == 0:
            return 0.0
        if self._rng.random() < self._world.scenario.peers.drop:
            return NEVER
        rtt_s = self._world.scenario.vantages[vantage].rtt_to_first_ms / 1000
        troubles = self._world.uplinks[0] + self._world.uplinks[vantage]
        waited_s, rto_s = 0.0, rtt_s + MIN_VARIANCE_S
        while waited_s < limit_s:
            survives = self._peer_survives
            for effect in troubles:
                if effect.start_s <= at_s + waited_s < effect.end_s:
                    survives *= effect.survives
            if self._rng.random() < survives:
                return waited_s + rtt_s / 2
            waited_s += rto_s
            rto_s *= 2
        return NEVER

    def _service_s(self) -> float:
        time_s = self._time(self._rng) / 1000
        return time_s + self._hiccup(self._rng) / 1000 if self._rng.random() < self._hiccup_share else time_s

    def _round_trip(self, path: Path, at_s: float, rto_s: float, crash: Crash | None, limit_s: float) -> Seen:
        waited_s = 0.0
        while waited_s < limit_s:
            sent_s = at_s + waited_s
            rtt_s, survives = self._packet(path, sent_s)
            crashed = crash is not None and sent_s + rtt_s / 2 >= crash.at_s
            if self._rng.random() < survives and not (crashed and crash is not None and not crash.refuses):
                return Seen(waited_s + rtt_s, crashed)
            waited_s += rto_s
            rto_s *= 2
        return Seen(NEVER)

    def _packet(self, path: Path, at_s: float) -> tuple[float, float]:
        """Round trip in seconds and the chance to survive of a packet sent at at_s."""
        rng = self._rng
        rtt_s, survives = path.base_s + self._jitter_s * log_uniform(rng), self._survives
        if rng.random() < self._tail_share:
            rtt_s += self._tail(rng) / 1000
        for effect in path.effects:
            if effect.start_s <= at_s < effect.end_s:
                survives *= effect.survives
                rtt_s += self._delay_s(effect)
        return (rtt_s if rtt_s > MIN_RTT_S else MIN_RTT_S), survives

    def _delay_s(self, effect: Effect) -> float:
        if not effect.sigma or not effect.delay_s:
            return effect.delay_s
        return effect.delay_s * exp(effect.sigma * self._rng.gauss(0.0, 1.0))
