"""`duoyun probe export`: what was measured, as another system's health check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Output
from cli.probe_targets import parse_targets
from model.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from probes.targets import ProbeTarget

_ASK_EVERY_S = 0.25
_TIMEOUT_S = 10.0


def export(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(help="URL: http(s), tcp, tls, grpc(s).", metavar="TARGET")],
    to: Annotated[str, typer.Option("--to", help="kubernetes, envoy, aws, azure, alibaba.", envvar="DUOYUN_EXPORT_TO")],
    samples: Annotated[
        int,
        typer.Option(min=8, max=1000, help="How often to ask; more see rarer slow moments.", envvar="DUOYUN_SAMPLES"),
    ] = 24,
    ca_file: Annotated[
        str, typer.Option("--ca-file", help="Whose certificates hold, PEM.", envvar="DUOYUN_CA_FILE")
    ] = "",
) -> None:
    """Measure a target from here and print settings for another system, with what it cannot express.

    duoyun probe export https://shop.example.com/healthz --to kubernetes
    """
    from orchestrator.probe_limits import known
    from probes.export import export as fit
    from probes.export import wanted

    out: Output = ctx.obj
    systems = known()
    if to not in systems:
        raise UsageError(f"{to[:60]} is nothing known", mend=f"there are {', '.join(sorted(systems))}")
    (asked,) = parse_targets([target], ca_file)
    times_s, reason = _measure(asked, samples)
    try:
        learned = wanted(times_s)
    except ValueError as exc:
        raise Unreachable(
            f"{target} answered {len(times_s)} of {samples} times",
            detail=reason or str(exc),
            mend="export from a target that answers, or ask more often with --samples",
        ) from exc
    found = fit(learned, systems[to])
    if not out.is_json:
        import yaml

        console = out.console()
        console.print(f"# {found.system}, from {learned.samples} response times of {target}", markup=False)
        console.print(f"# {found.source}", markup=False)
        console.print(yaml.safe_dump(found.settings, sort_keys=False).rstrip(), markup=False)
    for warning in found.warnings:
        out.warning(warning)
    out.result(
        {
            "target": target,
            "system": to,
            "settings": found.settings,
            "warnings": found.warnings,
            "source": found.source,
            "wanted": {
                "interval_s": round(learned.interval_s, 3),
                "timeout_s": round(learned.timeout_s, 3),
                "failures": learned.failures,
                "samples": learned.samples,
            },
        }
    )


def _measure(target: ProbeTarget, samples: int) -> tuple[list[float], str]:
    """Response times on a connection that is kept, and why the last failure failed."""
    import asyncio

    from probes.loop import run
    from probes.policy import Outcome, Send
    from probes.prober import Prober

    async def scene() -> tuple[list[float], str]:
        times: list[float] = []
        reason, failures = "", 0
        async with Prober("here") as prober:
            for number in range(samples + 1):
                look = await prober.look(target, Send(float(number), target.name, "here", False, _TIMEOUT_S))
                if look.result.outcome is Outcome.OK:
                    times += [look.result.elapsed_s] if number else []  # the first one opened the connection
                else:
                    reason, failures = look.reason, failures + 1
                    if failures >= 3 and not times:
                        break
                await asyncio.sleep(_ASK_EVERY_S)
        return times, reason

    return run(scene())
