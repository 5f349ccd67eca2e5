"""The detectors that ours is compared with, run in the same worlds. All but SWIM look from the first vantage.

fixed, tight, loose: a fixed interval, timeout and number of failures in a row, a new connection for each probe (as
Kubernetes, load balancers and gateways probe). seed: the article's rule on fixed; seed_scaled: its timeout stretched
too. rfc6298: TCP's own estimate as the timeout. The accrual family stands in accrual.py, SWIM in swim.py.
Callers: the benchmark, `duoyun probe simulate`. Non-goals: production use.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from probes.article import WINDOW, adjust_probe_interval
from probes.gate import GatePolicy
from probes.policy import Status, Verdict
from probes.simulation.accrual import bertier, chen, phi_akka, two_window
from probes.simulation.adaptive import target_name
from probes.simulation.conditions import World
from probes.simulation.network import Crash, Network
from probes.simulation.swim import swim_lifeguard
from probes.simulation.watched import Run, Watched

AT_ONCE = GatePolicy(unreachable_hold_s=0.0, site_hold_s=0.0)


@dataclass(frozen=True, slots=True)
class Baseline:
    """run: one service's changes of opinion. hold_s: from failing to rolling back; a pause in between."""

    run: Run
    about: str
    warmup_s: float = 60.0
    hold_s: float = 0.0

    @property
    def gate(self) -> GatePolicy:
        """What a release does on its verdicts."""
        return GatePolicy(unreachable_hold_s=self.hold_s, site_hold_s=self.hold_s) if self.hold_s else AT_ONCE

    def watch(
        self, world: World, link: int, service: int, crash: Crash | None, until_s: float, from_s: float = 0.0
    ) -> Watched:
        """One service's changes of opinion, after a warm-up that ends at from_s."""
        warmup_s = min(self.warmup_s, world.scenario.warmup_s)
        return self.run(world, link, service, crash, from_s - warmup_s, until_s)

    def verdicts(self, watched: Watched, link: int, service: int) -> list[Verdict]:
        """The changes as verdicts that a release's gate takes."""
        bad = Status.UNREACHABLE if self.hold_s else Status.DOWN
        name = target_name(link, service)
        return [Verdict(name, bad if failing else Status.UP, at_s, self.about) for at_s, failing in watched.changes]


@dataclass(slots=True)
class _Counter:
    """So many failures in a row. rtts_ms: connecting times, a failure counted as its timeout."""

    failures: int
    in_a_row: int = 0
    rtts_ms: list[float] = field(default_factory=list)
    srtt_s: float | None = None
    rttvar_s: float = 0.0
    backoff: float = 1.0

    def rto_s(self) -> float:
        """RFC 6298, 2.2 to 2.5: at least 1 s, at most 60."""
        if self.srtt_s is None:
            return 1.0
        return min(60.0, max(1.0, self.srtt_s + 4 * self.rttvar_s) * self.backoff)

    def measured(self, elapsed_s: float) -> None:
        self.backoff = 1.0
        if self.srtt_s is None:
            self.srtt_s, self.rttvar_s = elapsed_s, elapsed_s / 2
            return
        self.rttvar_s = 0.75 * self.rttvar_s + 0.25 * abs(self.srtt_s - elapsed_s)
        self.srtt_s = 0.875 * self.srtt_s + 0.125 * elapsed_s


def counting(
    name: str,
    interval_s: float,
    timeout_s: float | None,
    failures: int,
    *,
    stretch_interval: bool = False,
    stretch_timeout: bool = False,
) -> Run:
    """A prober that counts failures in a row. timeout_s None: RFC 6298's."""

    def run(world: World, link: int, service: int, crash: Crash | None, from_s: float, until_s: float) -> Watched:
        rng = world.rng(name, link, service)
        network, path, state, found = Network(world, rng), world.paths[link, 0], _Counter(failures), Watched()
        at_s, failing = from_s + interval_s * rng.random(), False
        while at_s < until_s:
            stretch = adjust_probe_interval(interval_s, state.rtts_ms) / interval_s if stretch_interval else 1.0
            limit_s = (timeout_s or state.rto_s()) * (stretch if stretch_timeout else 1.0)
            start_s = world.awake_s(0, at_s)
            seen, connect_s = network.fresh(path, start_s, crash, limit_s)
            read_s = world.awake_s(0, start_s + min(seen.elapsed_s, limit_s))
            good = not seen.refused and seen.elapsed_s <= limit_s and read_s - start_s <= limit_s
            state.in_a_row = 0 if good else state.in_a_row + 1
            state.rtts_ms = [*state.rtts_ms[1 - WINDOW :], min(connect_s, limit_s) * 1000]
            if good:
                state.measured(read_s - start_s)
            else:
                state.backoff *= 2
            if (state.in_a_row >= failures) is not failing:
                failing = not failing
                found.changes.append((read_s, failing))
            found.probes += at_s >= 0
            at_s = max(at_s + interval_s * stretch, read_s)
        return found

    return run


BASELINES: dict[str, Baseline] = {
    "fixed": Baseline(counting("fixed", 10.0, 1.0, 3), "every 10 s, 1 s, 3 failures"),
    "tight": Baseline(counting("tight", 5.0, 0.5, 2), "every 5 s, 0.5 s, 2 failures"),
    "loose": Baseline(counting("loose", 10.0, 5.0, 3), "every 10 s, 5 s, 3 failures"),
    "seed": Baseline(
        counting("seed", 10.0, 1.0, 3, stretch_interval=True), "the article's rule: the interval only", 240.0
    ),
    "seed_scaled": Baseline(
        counting("seed_scaled", 10.0, 1.0, 3, stretch_interval=True, stretch_timeout=True),
        "the article's rule on interval and timeout",
        240.0,
    ),
    "phi_akka": Baseline(phi_akka, "phi accrual as Akka's cluster has it: every 1 s, threshold 8, pause 3 s", 300.0),
    "phi_hold20": Baseline(phi_akka, "phi_akka, believed after 20 s", 300.0, 20.0),
    "rfc6298": Baseline(counting("rfc6298", 10.0, None, 3), "every 10 s, timeout by RFC 6298, 3 failures", 240.0),
    "chen": Baseline(chen, "Chen's expected arrival + 20 s, every 10 s", 600.0),
    "bertier": Baseline(bertier, "Chen's expected arrival + Jacobson's margin, every 10 s", 600.0),
    "two_window": Baseline(two_window, "the later of Chen's over 1 and 1000 arrivals, + 20 s, every 10 s", 600.0),
    "swim_lifeguard": Baseline(swim_lifeguard, "SWIM with Lifeguard, memberlist's WAN profile, 30 members", 60.0),
}
