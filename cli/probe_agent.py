"""`duoyun probe agent`: a vantage in a site, as a small workload there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Output
from cli.probe_metrics import MetricsOption, metrics_at
from cli.probe_targets import parse_targets
from model.errors import UsageError

if TYPE_CHECKING:
    from probes.metrics import ProbeMetrics
    from probes.policy import Verdict

CaFile = Annotated[
    str,
    typer.Option("--ca-file", help="Whose certificates hold for the other side, PEM.", envvar="DUOYUN_PROBE_CA_FILE"),
]
CertFile = Annotated[str, typer.Option("--cert-file", help="Our certificate, PEM.", envvar="DUOYUN_PROBE_CERT_FILE")]
KeyFile = Annotated[str, typer.Option("--key-file", help="Its key, PEM.", envvar="DUOYUN_PROBE_KEY_FILE")]


def agent(
    ctx: typer.Context,
    hub: Annotated[
        str, typer.Option("--hub", help="HOST:PORT where releases listen for agents.", envvar="DUOYUN_PROBE_HUB")
    ],
    vantage: Annotated[
        str, typer.Option(help="Our name; the certificate must say it, too.", envvar="DUOYUN_PROBE_VANTAGE")
    ],
    site: Annotated[str, typer.Option(help="PARTITION/REGION that we stand in.", envvar="DUOYUN_PROBE_SITE")],
    ca_file: CaFile,
    cert_file: CertFile,
    key_file: KeyFile,
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="URLs to watch while nobody asks us: http(s), tcp, tls, grpc(s).", metavar="[TARGET...]"),
    ] = None,
    metrics: MetricsOption = "",
    for_s: Annotated[
        float, typer.Option("--for", help="Stop after so many seconds; 0: go on.", envvar="DUOYUN_FOR")
    ] = 0.0,
) -> None:
    """Look at targets for releases from this site; judge by ourselves while cut off. A line for each change, on stderr.

    duoyun probe agent --hub HOST:7443 --vantage a --site aws/us-east-1 --ca-file ca --cert-file pem --key-file key
    """
    import asyncio

    from orchestrator.vantages import host_and_port
    from probes.agent import Agent
    from probes.loop import run
    from probes.mutual_tls import MutualTls
    from probes.policy import Vantage

    out: Output = ctx.obj
    at = host_and_port(hub, "--hub")
    found = parse_targets(targets or [])
    tls = MutualTls(ca_file, cert_file, key_file)
    try:
        tls.client()
    except OSError as exc:
        raise UsageError(
            f"the certificates do not hold: {exc}", mend="look at --ca-file, --cert-file and --key-file"
        ) from exc
    console = out.console(sys.stderr)
    counts = {"verdicts": 0}

    def on_verdict(verdict: Verdict) -> None:
        counts["verdicts"] += 1
        console.print(f"{verdict.target}  {verdict.status}: {verdict.evidence}", markup=False)

    async def scene(counted: ProbeMetrics | None) -> None:
        stop = asyncio.Event()
        if for_s > 0:
            asyncio.get_running_loop().call_later(for_s, stop.set)
        told = lambda line: console.print(line, markup=False)  # noqa: E731
        looks = counted.on_look if counted is not None else None
        await Agent(Vantage(vantage, site), at, tls, found, tell=told, on_verdict=on_verdict, on_look=looks).run(stop)

    with metrics_at(metrics) as counted:
        run(scene(counted))
    out.result({"vantage": vantage, "site": site, "local_verdicts": counts["verdicts"]})
