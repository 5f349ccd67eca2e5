"""Looks and verdicts as Prometheus metrics. Callers: commands with --metrics.

`duoyun_probe_duration_seconds` holds good answers only: a timeout says how patient we are, not how slow they are; it is
counted by outcome. A recording of it can be replayed (`duoyun probe simulate --from-prometheus`). Needs
prometheus-client (the extra `probes`). Non-goals: verdicts; series of targets that are not watched any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, start_http_server

from probes.policy import Outcome, Status, Verdict
from probes.targets import Look

# From a zone's own network to the detector's longest soft timeout, and its hard one.
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 6.0, 15.0, 30.0)


class ProbeMetrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        place = ("target", "vantage")
        self._duration = Histogram(
            "duoyun_probe_duration_seconds", "Response times of good answers.", place, buckets=BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._last = Gauge(
            "duoyun_probe_last_duration_seconds", "The last good answer's response time.", place, registry=self.registry
        )
        self._outcomes = Counter(
            "duoyun_probe_outcomes", "Probes by what came of them.", (*place, "outcome"), registry=self.registry
        )
        self._status = Enum(
            "duoyun_probe_status", "The verdict in force.", ("target",), states=[s.value for s in Status],
            registry=self.registry,
        )  # fmt: skip
        self._days = Gauge(
            "duoyun_probe_certificate_days", "Until the certificate ends.", ("target",), registry=self.registry
        )
        self._lag = Gauge(
            "duoyun_probe_loop_lag_seconds", "How late the prober's own loop was.", ("vantage",), registry=self.registry
        )

    def on_look(self, look: Look) -> None:
        """Counts a probe."""
        found = look.result
        self._outcomes.labels(found.target, found.vantage, found.outcome.value).inc()
        self._lag.labels(found.vantage).set(found.loop_lag_s)
        if found.outcome is Outcome.OK:
            self._duration.labels(found.target, found.vantage).observe(found.elapsed_s)
            self._last.labels(found.target, found.vantage).set(found.elapsed_s)
        if look.certificate_days is not None:
            self._days.labels(found.target).set(look.certificate_days)

    def on_verdict(self, verdict: Verdict) -> None:
        """Holds a verdict."""
        self._status.labels(verdict.target).state(verdict.status.value)


@contextmanager
def serving(host: str, port: int) -> Iterator[tuple[ProbeMetrics, int]]:
    """Metrics at http://host:port/metrics while the block lasts, and the port. OSError where the address is taken."""
    metrics = ProbeMetrics()
    server, thread = start_http_server(port, host, metrics.registry)
    try:
        yield metrics, server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
