"""`duoyun policy report` and `verify`: where a standard's controls stand, and the proof of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.context import context_for
from cli.options import DEFAULT_APP, AppOption, FleetOption, LocalStateOption, StoreOption
from cli.output import Output, escaped
from model.errors import UsageError
from model.exit_codes import ExitCode


def register(group: typer.Typer) -> None:
    group.command()(report)
    group.command()(verify)


def report(
    ctx: typer.Context,
    standard: Annotated[str, typer.Argument(help="mlps3: GB/T 22239-2019, level 3.")],
    application: AppOption = DEFAULT_APP,
    fleet: FleetOption = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Changes from this day on, e.g. 2026-01-31.", envvar="DUOYUN_SINCE")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Write the report with its audit chain to this file.", envvar="DUOYUN_REPORT_SAVE"),
    ] = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Control by control what is met, waived and open in what is deployed, with the changes and approvals behind it.

    duoyun policy report mlps3 --app examples/miniprogram --since 2026-01-01 --save mlps3.json
    duoyun policy verify mlps3.json
    """
    import datetime
    import json

    from orchestrator.compliance import STANDARDS, compliance

    out: Output = ctx.obj
    if standard not in STANDARDS:
        raise UsageError(f"there is no report on {standard!r}", mend=f"one of {', '.join(STANDARDS)}")
    try:
        day = datetime.date.fromisoformat(since) if since else None
    except ValueError:
        raise UsageError(f"--since {since} is no day", mend="write for example --since 2026-01-31") from None
    with context_for(application, fleet, store, local_state) as context:
        data = compliance(context, standard, day)
    if save:
        save.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    out.result(data)
    if out.is_json:
        return
    _show_compliance(out, data, save)


def _show_compliance(out: Output, data: dict[str, object], save: Path | None) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("control", "state", "rules", "open", "waived"):
        table.add_column(name)
    controls = data["controls"]
    assert isinstance(controls, list)
    colours = {"met": "green", "waived": "yellow", "open": "red"}
    for row in controls:
        state = f"[{colours.get(row['state'], 'dim')}]{row['state']}[/]"
        table.add_row(row["control"], state, " ".join(row["rules"]), str(len(row["open"])), str(len(row["waived"])))
    console = out.console()
    console.print(table)
    changes, audit = data["changes"], data["audit"]
    assert isinstance(changes, list)
    assert isinstance(audit, dict)
    chain = f"audit chain {audit['state']}, head {audit['head'][:16]}"
    console.print(f"{data['title']}: {data['summary']}; {len(changes)} changes; {chain}")
    if save:
        console.print(f"saved to {save}; anybody can verify it offline: duoyun policy verify {save}")


def verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A report that `policy report --save` wrote.")],
) -> None:
    """Check a saved report offline: its audit chain link by link, and each approval's signature. Exit 1 where broken.

    duoyun policy verify mlps3.json
    """
    from orchestrator.compliance import read_report, verify_report

    out: Output = ctx.obj
    problems = verify_report(read_report(file))
    code = ExitCode.ERROR if problems else ExitCode.OK
    out.result({"whole": not problems, "problems": problems}, code)
    if not out.is_json:
        for problem in problems:
            out.console().print(f"[red]{escaped(problem)}[/]", soft_wrap=True)
        out.console().print("[red]not to be relied on[/]" if problems else "[green]the chain and the approvals hold[/]")
    raise typer.Exit(int(code))
