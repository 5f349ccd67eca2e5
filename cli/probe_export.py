"""`duoyun probe export`: what was measured, as another system's health check."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HistoryOption
from cli.output import Output
from cli.probe_history import history_at
from cli.probe_targets import parse_targets
from model.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from probes.export import Export, Wanted
    from probes.policy import Result
    from probes.targets import ProbeTarget

_HERE = "here"
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
    store: HistoryOption = "",
) -> None:
    """Measure a target from here and print settings for another system, with what it cannot express.

    With --store the response times that are kept there count, too, and the new ones are added.

    duoyun probe export https://shop.example.com/healthz --to kubernetes
    """
    from orchestrator.probe_limits import known
    from probes.export import export as fit

    out: Output = ctx.obj
    systems = known()
    if to not in systems:
        raise UsageError(f"{to[:60]} is nothing known", mend=f"there are {', '.join(sorted(systems))}")
    (asked,) = parse_targets([target], ca_file)
    learned = _learn(asked, target, samples, store, out)
    _tell(out, target, to, learned, fit(learned, systems[to]))


def _learn(asked: ProbeTarget, target: str, samples: int, store: str, out: Output) -> Wanted:
    """Measures, and says what a health check of it should be like. Raises Unreachable where it hardly answers."""
    from probes.export import wanted

    with history_at(store, out) as remembered:
        kept = remembered.learned([asked.name], [_HERE]) if remembered is not None else {}
        before_s = list(kept.get((asked.name, _HERE), ()))
        measured_s, reason = _measure(asked, samples, remembered.add if remembered is not None else None)
    times_s = [*before_s, *measured_s] if measured_s else []  # who does not answer now is not exported from memory
    try:
        return wanted(times_s)
    except ValueError as exc:
        raise Unreachable(
            f"{target} answered {len(measured_s)} of {samples} times",
            detail=reason or str(exc),
            mend="export from a target that answers, or ask more often with --samples",
        ) from exc


def _tell(out: Output, target: str, to: str, learned: Wanted, found: Export) -> None:
    if not out.is_json:
        import yaml

        console = out.console()
        console.print(f"# {found.system}, from {learned.samples} response times of {target}", markup=False)
        console.print(f"# {found.source}", markup=False)
        console.print(yaml.safe_dump(found.settings, sort_keys=False).rstrip(), markup=False)
    for warning in found.warnings:
        out.warning(warning)
    asked = {"interval_s": round(learned.interval_s, 3), "timeout_s": round(learned.timeout_s, 3)}
    out.result(
        {
            "target": target,
            "system": to,
            "settings": found.settings,
            "warnings": found.warnings,
            "source": found.source,
            "wanted": {**asked, "failures": learned.failures, "samples": learned.samples},
        }
    )


def _measure(target: ProbeTarget, samples: int, on_result: Callable[[Result], None] | None) -> tuple[list[float], str]:
    """Response times on a connection that is kept, and why the last failure failed."""
    import asyncio

    from probes.loop import run
    from probes.policy import Outcome, Send
    from probes.prober import Prober

    async def scene() -> tuple[list[float], str]:
        times: list[float] = []
        reason, failures = "", 0
        async with Prober(_HERE) as prober:
            for number in range(samples + 1):
                look = await prober.look(target, Send(float(number), target.name, _HERE, False, _TIMEOUT_S))
                if on_result is not None and number:
                    on_result(look.result)
                if look.result.outcome is Outcome.OK:
                    times += [look.result.elapsed_s] if number else []  # the first one opened the connection
                else:
                    reason, failures = look.reason, failures + 1
                    if failures >= 3 and not times:
                        break
                await asyncio.sleep(_ASK_EVERY_S)
        return times, reason

    return run(scene())
