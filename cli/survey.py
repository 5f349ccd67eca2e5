"""`duoyun survey`: everything in the fleet's accounts in one list, and whose it is. Read-only."""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_FLEET, FleetAloneOption, StatesOption, StoreOption, seconds_of
from cli.output import Output, escaped
from model.errors import OtherExecutor
from model.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.survey import Survey

ByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--by", help="Only what is managed by: duoyun, terraform, helm, nobody. Repeatable.", envvar="DUOYUN_BY"
    ),
]


def register(app: typer.Typer) -> None:
    app.command()(survey)


def survey(
    ctx: typer.Context,
    fleet: FleetAloneOption = DEFAULT_FLEET,
    terraform_state: StatesOption = None,
    by: ByOption = None,
    timeout: Annotated[
        str, typer.Option("--timeout", help="Give a listing up after this long.", envvar="DUOYUN_TIMEOUT")
    ] = "60s",
    store: StoreOption = None,
) -> None:
    """Everything in the fleet's accounts and regions, clusters included, and who manages it: a Terraform state that you
    or the fleet name, a Helm release, duoyun, or nobody. Changes nothing.
    Exit 0 where all could be seen that this executor works for, 75 where something of it is unknown.

    duoyun survey --fleet examples/miniprogram --terraform-state network.json --by nobody
    """
    from cli.context import folder_of, targets_of
    from cli.interrupt import Stop
    from orchestrator.load import load_fleet
    from orchestrator.survey import adopted_in, store_for_reading
    from orchestrator.survey import survey as survey_now
    from orchestrator.terraform_state import read_states, state_files

    out: Output = ctx.obj
    limit_s = seconds_of("--timeout", timeout)
    known = load_fleet(fleet)
    folder = folder_of(fleet)
    states = read_states(state_files(known, folder, terraform_state or ()))
    kept = store_for_reading(known, store)
    targets = targets_of(fleet, known)
    targets.executor.require_fit(known)
    with (
        Stop(10 * limit_s) as stop,
        closing(kept) if kept is not None else nullcontext(),
        out.working("listing everything"),
    ):
        found = survey_now(
            known,
            targets,
            states,
            adopted=adopted_in(kept, known),
            timeout_s=limit_s,
            cancelled=stop.asked,
        )
    unknown = [e for e in found.unknown.values() if not isinstance(e, OtherExecutor)]
    code = ExitCode.TEMPORARY if unknown else ExitCode.OK
    data = found.to_dict()
    if by:
        data["resources"] = [r for r in data["resources"] if {m["by"] for m in r["managed_by"]} & set(by)]
    out.result(data, code)
    if not out.is_json:
        show(out.console(), found, by or ())
        out.mends(found.unknown.values())
    raise typer.Exit(int(code))


_COLOURS = {"duoyun": "green", "terraform": "magenta", "helm": "cyan", "nobody": "yellow"}


def show(console: Console, found: Survey, by: list[str] | tuple[str, ...]) -> None:
    """A resource a line, whole however narrow the terminal is: an address is there to be copied. Then what is unknown,
    and what the states hold that was not seen."""
    from model.resources import Kind

    shown = [row for row in found.rows if not by or {m.by for m in row.managers} & set(by)]
    lines = [(", ".join(map(str, row.managers)), row) for row in shown]
    width = max((len(managers) for managers, _ in lines), default=0)
    for managers, row in lines:
        colour = _COLOURS.get(row.managers[0].by, "white")
        # An object of a cluster is found by its address; its uid helps nobody.
        own_id = "" if row.seen.address.kind is Kind.KUBERNETES_OBJECT else f"  [dim]{escaped(row.seen.provider_id)}[/]"
        text = (
            f"[{colour}]{escaped(managers)}[/]{' ' * (width - len(managers))}  {escaped(str(row.seen.address))}{own_id}"
        )
        console.print(text, soft_wrap=True)
    for (plane, kind), error in sorted(found.unknown.items(), key=lambda item: item[0]):
        what = f"{plane} {kind}".strip()
        console.print(f"[yellow]unknown:[/] {what}: {escaped(error.summary)}", soft_wrap=True)
    for managed in found.unmatched:
        console.print(f"[dim]in a state, not seen here:[/] {escaped(managed.address)} ({managed.file})")
    counts = ", ".join(f"{count} {who}" for who, count in found.counts().items()) or "nothing"
    console.print(f"{len(found.rows)} resources in {found.seconds:.1f} s: {counts}")
