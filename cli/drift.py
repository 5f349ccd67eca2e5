"""`duoyun drift scan`: recorded against live, once or on a schedule; `--remediate` brings it back."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.context import context_for
from cli.options import (
    DEFAULT_APP,
    AppArgument,
    FleetOption,
    IdentityOption,
    LocalStateOption,
    LockTimeoutOption,
    StatesOption,
    StoreOption,
    TimeoutOption,
    seconds_of,
)
from cli.output import Output
from model.errors import DuoyunError, Interrupted, UsageError
from model.exit_codes import ExitCode, gravest

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.drift import Drift, DriftReport
    from orchestrator.planning import Context

group = typer.Typer(
    no_args_is_help=True,
    help="""
    Differences between what was recorded and what is there, over cloud resources and workloads.

      duoyun drift scan examples/miniprogram
      duoyun drift scan examples/miniprogram --every 15m -o json
    """,
)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="drift")


@group.callback()
def _group() -> None:
    """Keeps `scan` a subcommand, so that others can stand beside it."""


@group.command()
def scan(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    every: Annotated[
        str | None,
        typer.Option("--every", help="Scan again and again, e.g. 15m; never two at once.", envvar="DUOYUN_EVERY"),
    ] = None,
    remediate: Annotated[bool, typer.Option("--remediate", help="Bring back what differs, through the gate.")] = False,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Also list what is not ours.", envvar="DUOYUN_FOREIGN")
    ] = False,
    timeout: TimeoutOption = "45m",
    lock_timeout: LockTimeoutOption = "60s",
    identity: IdentityOption = None,
    terraform_state: StatesOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Compare, field by field; say who changed what and which policy it breaks. Exit 0 none, 2 drift, 75 not all seen.

    duoyun drift scan examples/miniprogram --remediate
    """

    out: Output = ctx.obj
    interval_s = _interval_s(every)
    limit = timeout if interval_s is None else "36500d"
    with context_for(application, fleet, store, local_state, limit, identity, terraform_state) as context:
        if interval_s is None:
            raise typer.Exit(int(_once(context, out, remediate=remediate, foreign=foreign, lock_timeout=lock_timeout)))
        _forever(context, out, interval_s, remediate=remediate, foreign=foreign, lock_timeout=lock_timeout)


def _interval_s(every: str | None) -> float | None:

    if every is None:
        return None
    interval_s = seconds_of("--every", every)
    if interval_s < 1:
        raise UsageError(f"--every {every}: at least 1s", mend="write for example --every 15m")
    return interval_s


def _forever(context: Context, out: Output, interval_s: float, **options: Any) -> None:
    """One scan after another; a scan that takes longer than the interval delays the next, it never overlaps it.

    A scan that fails is told and tried again at the next turn: a schedule outlives a bad minute. Returns when it is
    asked to stop, also in the middle of a scan: that is how a schedule ends.
    """
    out.lines = True
    turn = 0
    began_s = time.monotonic()
    while True:
        try:
            _once(context, out, **options)
        except Interrupted:
            if context.cancelled():
                return
            raise
        except DuoyunError as exc:
            if out.is_json:
                _line({"kind": "scan_failed", "at_s": time.time(), **exc.to_dict()})
            else:
                out.failure(exc)
        passed = int((time.monotonic() - began_s) / interval_s)
        turn = max(turn + 1, passed + 1)
        while time.monotonic() < began_s + turn * interval_s:
            if context.cancelled():
                return
            time.sleep(min(0.2, max(0.0, began_s + turn * interval_s - time.monotonic())))


def _once(context: Context, out: Output, *, remediate: bool, foreign: bool, lock_timeout: str) -> ExitCode:
    from orchestrator.drift import scan as scan_now

    report = scan_now(context, foreign=foreign)
    mended: dict[str, Any] | None = None
    code = ExitCode.DIFFERENCES if report.drifted else ExitCode.OK
    if not out.is_json:
        show_report(out.console(), report)
        out.mends(report.world.unobserved.values())
    if report.drifted and remediate:
        mended = _mend(context, out, lock_timeout)
        after = scan_now(context)
        code = ExitCode.DIFFERENCES if after.drifted else ExitCode.OK
        mended["left"] = len(after.drifted)
        if not out.is_json:
            left = f"[red]{len(after.drifted)} left[/]" if after.drifted else "[green]nothing left[/]"
            out.console().print(f"mended as revision {mended['revision']}; scanned again: {left}")
    if report.unobserved:
        code = gravest(code, ExitCode.TEMPORARY)
    out.result(_data(report, mended), code)
    return code


def _mend(context: Context, out: Output, lock_timeout: str) -> dict[str, Any]:
    """A release like any other: planned anew, gated, leased, recorded."""
    from cli.releases import executing
    from orchestrator.drift import plan_mend
    from orchestrator.release import release

    with executing(context, out, lock_timeout) as (runner, view):
        planned = plan_mend(context)
        if planned.plan.empty:
            return {"revision": planned.plan.base_revision, "actions": 0}
        with view if sys.stderr.isatty() else nullcontext():
            released = release(runner, planned, message="drift remediation", auto_rollback=False)
    return {"revision": released.revision.number, "actions": len(released.outcome.actions)}


def _data(report: DriftReport, mended: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "checked": report.checked,
        "drifted": len(report.drifted),
        "drift": [r.to_dict() for r in report.rows],
        "unobserved": list(report.unobserved),
        "elsewhere": dict(report.elsewhere),
        "seconds": round(report.seconds, 2),
        "mended": mended,
    }


def _line(data: dict[str, Any]) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, default=str))


_COLOURS = {"changed": "yellow", "missing": "red", "orphan": "magenta", "delegated": "cyan", "foreign": "dim"}


def show_report(console: Console, report: DriftReport) -> None:
    """A paragraph a resource: what, which fields, who and when, which policy."""
    for row in report.rows:
        _show(console, row)
    for line in report.unobserved:
        console.print(f"[yellow]unknown:[/] {line}")
    for partition, number in report.elsewhere.items():
        console.print(f"[yellow]unknown here:[/] {partition}: {number} resources; another executor works for it")
    count = len(report.drifted)
    took = f"in {report.seconds:.1f} s"
    if report.unobserved:
        seen = f"[red]{count} drifted[/]" if count else "no drift"
        console.print(f"{seen} in what could be seen; [yellow]not all of {report.checked} resources could[/], {took}")
        return
    verdict = f"[red]{count} drifted[/]" if count else "[green]no drift[/]"
    console.print(f"{verdict}: {report.checked} resources compared {took}")


def _show(console: Console, row: Drift) -> None:
    from rich.markup import escape

    from cli.plan_view import drift_line
    from cli.records import when

    console.print(f"[{_COLOURS[row.kind.value]}]{row.kind.value}[/] {row.address} ({row.ownership})")
    for diff in row.diffs:
        console.print(f"    {drift_line(diff)}")
    for change in row.changes[:3]:
        console.print(f"    by {escape(change.actor)} at {when(change.at_s)} ({change.operation})")
    for finding in row.findings:
        console.print(f"    [red]breaks {finding.rule_id}[/] {escape(finding.title)}: {escape(finding.message)}")
