"""`duoyun policy check`: files judged in CI, with reports that CI systems read."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from cli.output import Output, escaped
from cli.policy_options import (
    BaselineOption,
    ChangedSinceOption,
    CheckFleetOption,
    FailOnOption,
    MaxUnassessedOption,
    ReportOption,
    WaiversOption,
    WriteBaselineOption,
)
from cli.policy_rules import BundleOption
from model.errors import UsageError
from model.exit_codes import ExitCode

if TYPE_CHECKING:
    from policies.verdict import Verdict

group = typer.Typer(
    no_args_is_help=True,
    help="""
    Rules that changes must not break: check files before they are merged, see what the rules are.

      duoyun policy check k8s/ --report sarif=duoyun.sarif
      duoyun policy explain DY-NET-001
    """,
)

_COLOURS = {
    "denies": "[bold red]",
    "UNREADABLE": "[bold red]",
    "ERROR": "[bold red]",
    "passed": "[green]",
    "denied": "[bold red]",
}
_SEVERITIES = ("info", "low", "medium", "high", "critical")


def register(app: typer.Typer) -> None:
    from cli import policy_report, policy_rules

    group.command()(check)
    policy_rules.register(group)
    policy_report.register(group)
    app.add_typer(group, name="policy")


def check(
    ctx: typer.Context,
    paths: Annotated[
        list[str], typer.Argument(help="Files and folders to check; - reads standard input.", metavar="PATH...")
    ],
    report: ReportOption = None,
    fail_on: FailOnOption = "high",
    changed_since: ChangedSinceOption = None,
    max_unassessed: MaxUnassessedOption = None,
    fleet: CheckFleetOption = None,
    bundle: BundleOption = None,
    waivers: WaiversOption = None,
    baseline: BaselineOption = None,
    write_baseline: WriteBaselineOption = False,
) -> None:
    """Judge files by the rules, without any cloud. Exit 0 passed, 4 denied, 3 unreadable input, 1 the check failed.

    duoyun policy check infra/ k8s/ --report sarif=duoyun.sarif --report junit=duoyun.xml
    helm template chart/ | duoyun policy check -
    """
    from model.plan import Severity
    from orchestrator.checking import Options
    from orchestrator.checking import check as check_now
    from orchestrator.checking import write_baseline as write
    from policies.loaders import no_collection

    out: Output = ctx.obj
    wanted = [_report(text, out) for text in report or ()]
    _refuse(fail_on, baseline, write_baseline=write_baseline)
    options = Options(
        fleet=fleet,
        bundles=tuple(bundle or ()),
        waivers=tuple(waivers or ()),
        baseline=None if write_baseline and baseline and not baseline.exists() else baseline,
        changed_since=changed_since,
        fail_on=Severity[fail_on.upper()],
        max_unassessed=max_unassessed if max_unassessed is not None else _limit_in_ci(),
    )
    with no_collection():
        verdict = check_now(paths, options, stdin=sys.stdin.buffer.read() if "-" in paths else None)
        code = verdict.exit_code
        noted = ""
        if write_baseline and baseline is not None:
            noted = f"{write(verdict, baseline)} findings written to {baseline}"
            code = ExitCode.OK if code is ExitCode.DENIED else code
        _write_reports(verdict, wanted)
        taken = any(path is None for _, path in wanted)
        _show(out, verdict, code, noted, sys.stderr if taken else None)
        gc.freeze()  # the process ends: nothing of this is walked for circles any more
    raise typer.Exit(int(code))


def _refuse(fail_on: str, baseline: Path | None, *, write_baseline: bool) -> None:
    """Raises UsageError for options that make no sense."""
    if write_baseline and baseline is None:
        raise UsageError("--write-baseline needs a file", mend="add --baseline FILE")
    if fail_on.lower() not in _SEVERITIES:
        raise UsageError(f"--fail-on {fail_on} is no severity", mend=f"one of {', '.join(_SEVERITIES)}")


def _limit_in_ci() -> int | None:
    """CI systems set CI=true: nobody reads there what could not be assessed."""
    return 0 if os.environ.get("CI", "").lower() not in ("", "0", "false") else None


def _report(text: str, out: Output) -> tuple[str, Path | None]:
    from policies.reports import FORMATS

    name, _, file = text.partition("=")
    if name not in FORMATS:
        raise UsageError(
            f"--report {text}: there is no format {name!r}", mend=f"one of {', '.join(FORMATS)}, then =FILE"
        )
    if not file and out.is_json:
        raise UsageError(f"--report {text}: with -o json, standard output is taken", mend=f"--report {name}=FILE")
    return name, Path(file) if file else None


def _write_reports(verdict: Verdict, wanted: list[tuple[str, Path | None]]) -> None:
    from duoyun import __version__
    from orchestrator.checking import ToolError
    from policies.reports import Context, render

    for name, path in wanted:
        text = render(name, verdict, Context(version=__version__))
        if path is None:
            typer.echo(text, nl=False)
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise ToolError(f"the report {path} cannot be written: {exc.strerror}", mend="check the path") from exc


def _show(out: Output, verdict: Verdict, code: ExitCode, noted: str, stream: TextIO | None) -> None:
    from policies.reports import Context, json_format, render

    if out.is_json:
        out.result({"command": "policy check", **json_format.data(verdict)}, code)
        return
    lines = [*render("text", verdict, Context()).splitlines(), *([noted] if noted else [])]
    plain = out.lines_of_text(stream)
    if plain is not None:
        plain.write("\n".join(lines) + "\n")
        return
    console = out.console(stream)
    for line in lines:
        colour = next((c for word, c in _COLOURS.items() if line.startswith(word)), "")
        console.print(f"{colour}{escaped(line)}{'[/]' if colour else ''}", soft_wrap=True)
