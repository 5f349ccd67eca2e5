"""Turns what was learned about a target into other systems' health checks, within what those can express.

Callers: `duoyun probe export`. Pure. The limits come in as values (each provider states its own). Non-goals: writing to
those systems; pretending that a fixed timeout is as good as a detector: the warnings say what is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isfinite

from model.probe_limits import ProbeLimits, Setting
from probes.policy import ProbePolicy
from probes.samples import FRESH_ROUND_TRIPS, soft_timeout_s

FAILURES = 3
FIND_WITHIN_S = 30.0  # as fast as the usual 10 s, 1 s, 3 failures

ENVOY = ProbeLimits(
    name="envoy",
    title="Envoy health check",
    interval=Setting("interval", 0.001, 86_400, 0.001, "s"),
    timeout=Setting("timeout", 0.001, 86_400, 0.001, "s"),
    failures=Setting("unhealthy_threshold", 1, 4_294_967_295),
    successes=Setting("healthy_threshold", 1, 4_294_967_295),
    wrapper="health_checks",
    source="https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/health_check.proto",
    extra={"interval_jitter_percent": 10},
    missing=("a refused connection counts at once; an HTTP error too, unless retriable_statuses says otherwise",),
)
OF_NOBODY = (ENVOY,)  # systems that belong to no cloud


@dataclass(frozen=True, slots=True)
class Wanted:
    """What would be right for a prober that is fixed. timeout_s: for a new connection, with room for slow moments."""

    interval_s: float
    timeout_s: float
    failures: int
    samples: int


@dataclass(slots=True)
class Export:
    """Settings by the system's names, and what it could not express."""

    system: str
    settings: dict[str, object]
    warnings: list[str] = field(default_factory=list)
    source: str = ""


def wanted(times_s: Sequence[float], policy: ProbePolicy | None = None) -> Wanted:
    """From response times on open connections, oldest first. ValueError where there are fewer than the policy needs.

    The timeout is the detector's soft timeout for a new connection; interval and failures find a crash within
    FIND_WITHIN_S, as far as the timeout lets them.
    """
    rules = policy or ProbePolicy()
    usable = [t for t in times_s[-rules.ring_size :] if isfinite(t) and t > 0]
    if len(usable) < rules.soft_recent:
        raise ValueError(f"{len(usable)} response times are too few; {rules.soft_recent} are needed")
    timeout_s = FRESH_ROUND_TRIPS * soft_timeout_s(usable, rules)
    interval_s = max(timeout_s, (FIND_WITHIN_S - timeout_s) / FAILURES)
    return Wanted(interval_s, timeout_s, FAILURES, len(usable))


def export(learned: Wanted, limits: ProbeLimits) -> Export:
    """The settings nearest to what is wanted; a timeout is never rounded down."""
    found = Export(limits.title, {}, source=limits.source)
    interval_s = _fit(found, limits.interval, learned.interval_s, up=False)
    if limits.timeout is not None:
        timeout_s = _fit(found, limits.timeout, learned.timeout_s, up=True)
        if limits.under_interval and timeout_s >= interval_s:
            interval_s = _fit(found, limits.interval, timeout_s + limits.interval.step, up=True)
    else:
        timeout_s = limits.fixed_timeout_s if limits.fixed_timeout_s is not None else interval_s
        if timeout_s < learned.timeout_s:
            found.warnings.append(f"answers may take {learned.timeout_s:.2f} s, it waits {timeout_s:g} s")
    failures = _fit(found, limits.failures, learned.failures, up=True)
    if limits.successes is not None:
        _fit(found, limits.successes, 1, up=True)
    found.settings.update(limits.extra)
    latest_s = interval_s * failures + timeout_s
    if latest_s > FIND_WITHIN_S + 1:
        found.warnings.append(f"a crash is found after up to {latest_s:g} s; {FIND_WITHIN_S:g} s were wanted")
    found.warnings += limits.missing
    found.warnings.append("it looks from one place with one timeout: a slow link and a dead service look alike to it")
    if limits.wrapper:
        found.settings = {limits.wrapper: found.settings}
    return found


def _fit(found: Export, setting: Setting, value: float, *, up: bool) -> float:
    steps = value / setting.step
    rounded = (ceil(steps - 1e-9) if up else floor(steps + 1e-9)) * setting.step
    fitted = min(setting.most, max(setting.least, rounded))
    if fitted < value - setting.step / 2 or fitted > value + setting.step:
        found.warnings.append(f"{setting.name}: {value:.2f} was wanted, {fitted:g} is what it takes")
    number: float | int = int(fitted) if setting.step >= 1 else round(fitted, 3)
    found.settings[setting.name] = f"{number:g}{setting.unit}" if setting.unit else number
    return fitted


def by_name(every: Iterable[ProbeLimits]) -> dict[str, ProbeLimits]:
    """Limits by the name that users give. ValueError where two share one."""
    found: dict[str, ProbeLimits] = {}
    for limits in every:
        if limits.name in found:
            raise ValueError(f"two systems are called {limits.name}")
        found[limits.name] = limits
    return found
