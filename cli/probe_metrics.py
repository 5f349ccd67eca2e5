"""`--metrics HOST:PORT` of the commands that probe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from model.errors import NotBuiltYet, UsageError

if TYPE_CHECKING:
    from probes.metrics import ProbeMetrics

MetricsOption = Annotated[
    str,
    typer.Option("--metrics", help="Serve Prometheus metrics at HOST:PORT/metrics.", envvar="DUOYUN_PROBE_METRICS"),
]


@contextmanager
def metrics_at(address: str) -> Iterator[ProbeMetrics | None]:
    """None where no address is given. Raises UsageError where it is none or taken."""
    if not address:
        yield None
        return
    from orchestrator.vantages import host_and_port

    host, port = host_and_port(address, "--metrics")
    try:
        from probes.metrics import serving
    except ModuleNotFoundError as exc:
        raise NotBuiltYet(
            "--metrics needs prometheus-client, which is not installed", mend="pip install 'duoyun[probes]'"
        ) from exc
    try:
        served = serving(host, port)
        metrics, _ = served.__enter__()
    except OSError as exc:
        raise UsageError(
            f"no metrics at {address}: {exc}", mend="give an address of this machine that is free"
        ) from exc
    try:
        yield metrics
    finally:
        served.__exit__(None, None, None)
