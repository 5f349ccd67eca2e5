"""`duoyun probe watch`: a live table, or a line for each verdict where nobody can redraw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HistoryOption
from cli.output import Output
from cli.probe_history import history_at
from cli.probe_metrics import MetricsOption, metrics_at
from cli.probe_table import HERE, Row, Seen, table
from cli.probe_targets import parse_targets
from model.errors import Unreachable, UsageError
from model.exit_codes import ExitCode

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from orchestrator.remembering import Remembered
    from orchestrator.vantages import HubSettings
    from probes.detector import Detector
    from probes.hub import Hub
    from probes.metrics import ProbeMetrics
    from probes.policy import ProbePolicy, Vantage, Verdict
    from probes.prober import Asks
    from probes.targets import Look, ProbeTarget

_AGENTS_WITHIN_S = 30.0
_SUMMARY_MOST = 60  # targets at the end, where nobody scrolls through thousands


def watch(
    ctx: typer.Context,
    targets: Annotated[list[str], typer.Argument(help="URLs: http(s), tcp, tls, grpc(s).", metavar="TARGET...")],
    interval_s: Annotated[
        float, typer.Option("--interval", help="Seconds between probes while all is well.", envvar="DUOYUN_INTERVAL")
    ] = 12.0,
    for_s: Annotated[
        float, typer.Option("--for", help="Stop after so many seconds; 0: go on.", envvar="DUOYUN_FOR")
    ] = 0.0,
    ca_file: Annotated[
        str, typer.Option("--ca-file", help="Whose certificates hold, PEM.", envvar="DUOYUN_CA_FILE")
    ] = "",
    agents: Annotated[
        list[str] | None,
        typer.Option("--agent", help="A vantage to look from, too. Repeatable.", envvar="DUOYUN_PROBE_AGENTS"),
    ] = None,
    metrics: MetricsOption = "",
    store: HistoryOption = "",
) -> None:
    """Watch targets: response times, the verdict and why. Exit 0 all up, 9 one is down or unreachable.

    With --agent we listen for them as a release does: DUOYUN_PROBE_HUB and its certificates.

    duoyun probe watch http://127.0.0.1:8080/healthz --for 60 -o json
    """
    from probes.policy import for_many

    out: Output = ctx.obj
    found = parse_targets(targets, ca_file)
    try:
        policy = for_many(len(found), interval_s)
    except ValueError as exc:
        raise UsageError(f"--interval {interval_s:g}: {exc}", mend="give seconds above 0") from exc
    names = [HERE, *(agents or [])]
    if len(set(names)) != len(names):
        raise UsageError("an agent stands there twice, or is called here", mend="name each once")
    rows = {t.name: Row(seen={name: Seen() for name in names}) for t in found}
    try:
        with metrics_at(metrics) as counted, history_at(store, out) as remembered:
            _Watching(found, policy, rows, out, for_s, counted, remembered).run()
    except KeyboardInterrupt:
        _summary(out, rows)
        raise
    bad = any(r.status in ("down", "unreachable") for r in rows.values())
    code = ExitCode.FAILED if bad else ExitCode.OK
    _summary(out, rows)
    out.result({"targets": {name: row.as_json() for name, row in rows.items()}}, code)
    raise typer.Exit(int(code))


@dataclass(slots=True)
class _Watching:
    """One run of the command: what is watched, and who is told of it."""

    found: list[ProbeTarget]
    policy: ProbePolicy
    rows: dict[str, Row]
    out: Output
    for_s: float
    metrics: ProbeMetrics | None
    remembered: Remembered | None
    began_s: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Until the time is over or somebody interrupts."""
        from probes.loop import run

        run(self._scene(_hub_settings(self._names[1:])))

    @property
    def _names(self) -> list[str]:
        """Of the vantages, ours first."""
        return list(next(iter(self.rows.values())).seen)

    @property
    def _drawing(self) -> bool:
        console = self.out.console()
        return console.is_terminal and not console.is_dumb_terminal and not self.out.is_json

    async def _scene(self, settings: HubSettings | None) -> None:
        import asyncio
        from contextlib import AsyncExitStack, nullcontext

        from rich.live import Live

        from probes.detector import Detector
        from probes.watching import watch as drive

        stop = asyncio.Event()
        rows, console = self.rows, self.out.console()
        live = (
            Live(get_renderable=lambda: table(rows, console.height - 3), console=console, refresh_per_second=4)
            if self._drawing
            else None
        )
        async with AsyncExitStack() as stack:
            vantages, probers = await self._vantages(settings, stack)
            detector = Detector(self.policy, vantages, seed=0)
            if self.remembered is not None:
                _begin(detector, self.remembered, self.found, self._names)
            if self.for_s > 0:
                asyncio.get_running_loop().call_later(self.for_s, stop.set)
            with live or nullcontext():
                await drive(detector, self.found, probers, self._on_verdict, stop, self._on_look)

    async def _vantages(
        self, settings: HubSettings | None, stack: AsyncExitStack
    ) -> tuple[list[Vantage], dict[str, Asks]]:
        """From where we look, and who looks there: we ourselves, and the agents that were asked for."""
        from probes.policy import Vantage
        from probes.prober import Prober

        vantages = [Vantage(HERE)]
        probers: dict[str, Asks] = {HERE: await stack.enter_async_context(Prober(HERE))}
        if settings is None:
            return vantages, probers
        console, agents = self.out.console(), self._names[1:]
        hub = await stack.enter_async_context(_hub(settings, lambda line: console.print(line, markup=False)))
        missing = await hub.wait_for(frozenset(agents), _AGENTS_WITHIN_S)
        if missing:
            raise Unreachable(
                f"{', '.join(sorted(missing))} did not come within {_AGENTS_WITHIN_S:g} s",
                mend="start `duoyun probe agent` there, with our address as its --hub",
            )
        vantages += [v for v in hub.vantages if v.name in agents]
        return vantages, probers | {name: hub.prober(name) for name in agents}

    def _on_verdict(self, verdict: Verdict) -> None:
        row = self.rows[verdict.target]
        if self.metrics is not None:
            self.metrics.on_verdict(verdict)
        row.status, row.why, row.since_s = verdict.status.value, verdict.evidence, time.monotonic()
        if not self._drawing:
            because = f" ({row.reason})" if row.reason and verdict.status.value != "up" else ""
            at_s = row.since_s - self.began_s
            line = f"{at_s:8.1f} s  {verdict.target}  {row.status}: {row.why}{because}"
            self.out.console().print(line, markup=False)

    def _on_look(self, look: Look) -> None:
        self.rows[look.result.target].add(look)
        if self.metrics is not None:
            self.metrics.on_look(look)
        if self.remembered is not None:
            self.remembered.add(look.result)


def _begin(detector: Detector, remembered: Remembered, found: list[ProbeTarget], names: list[str]) -> None:
    """The detector begins with what was learned before."""
    for (target, vantage), times_s in remembered.learned([t.name for t in found], names).items():
        detector.watch(target, time.monotonic())
        detector.learn(target, vantage, times_s)


def _hub_settings(agents: list[str]) -> HubSettings | None:
    import os

    from orchestrator.vantages import VARIABLES, settings_from

    if not agents:
        return None
    settings = settings_from(os.environ)
    if settings is None:
        raise UsageError("--agent needs an address to listen on", mend=f"set {', '.join(VARIABLES)}")
    return settings


def _hub(settings: HubSettings, tell: Callable[[str], None]) -> Hub:
    from probes.hub import Hub

    return Hub(settings.host, settings.port, settings.tls, tell=tell)


def _summary(out: Output, rows: dict[str, Row]) -> None:
    if not out.is_json:
        out.console().print(table(rows, _SUMMARY_MOST))
