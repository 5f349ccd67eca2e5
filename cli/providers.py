"""`duoyun providers`: what each account's adapter can do; `check`: who we are there and what we may do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import DEFAULT_FLEET, FleetAloneOption, seconds_of
from cli.output import Output, escaped

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.accounts import Abilities, Checked

AccountOption = Annotated[
    list[str] | None,
    typer.Option("--account", help="This account alone. Repeatable.", envvar="DUOYUN_ACCOUNT"),
]

group = typer.Typer(
    invoke_without_command=True,
    help="""
    The accounts of the fleet: what duoyun can do with each kind there, and (check) what its credentials may do.

      duoyun providers --fleet examples/miniprogram
      duoyun providers check --fleet examples/miniprogram -o json
      duoyun providers policy aws-cn --fleet examples/miniprogram > policy.json
    """,
)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="providers")


@group.callback()
def providers(ctx: typer.Context, fleet: FleetAloneOption = DEFAULT_FLEET) -> None:
    """Kinds and capabilities per account; asks no cloud and needs no credentials."""
    if ctx.invoked_subcommand is not None:
        return
    from orchestrator.accounts import abilities
    from orchestrator.load import load_fleet

    out: Output = ctx.obj
    rows = abilities(load_fleet(fleet))
    codes = [row.error.exit_code for row in rows if row.error]
    out.result({"accounts": [row.to_dict() for row in rows]}, codes[0] if codes else _ok())
    if not out.is_json:
        show_abilities(out.console(), rows)
        out.mends(row.error for row in rows if row.error)
    if codes:
        raise typer.Exit(int(codes[0]))


@group.command()
def check(
    ctx: typer.Context,
    fleet: FleetAloneOption = DEFAULT_FLEET,
    account: AccountOption = None,
    timeout: Annotated[
        str, typer.Option("--timeout", help="Give an account up after this long.", envvar="DUOYUN_TIMEOUT")
    ] = "20s",
) -> None:
    """Who we are in each account, what we may do, and the policy that is missing, to paste. Changes nothing.

    Exit 0 where everything is allowed, 77 where something is not or a credential is wrong, 75 where an account does
    not answer or does not tell.

    duoyun providers check --fleet examples/miniprogram --account aws-cn
    """
    from cli.context import targets_of
    from cli.interrupt import Stop
    from orchestrator.accounts import check as check_now
    from orchestrator.accounts import exit_code
    from orchestrator.load import load_fleet

    out: Output = ctx.obj
    known, limit_s = load_fleet(fleet), seconds_of("--timeout", timeout)
    with Stop(4 * limit_s) as stop:
        rows = check_now(
            known, targets_of(fleet, known), accounts=account or (), timeout_s=limit_s, cancelled=stop.asked
        )
    code = exit_code(rows)
    out.result({"accounts": [row.to_dict() for row in rows]}, code)
    if not out.is_json:
        show_checked(out.console(), rows)
    raise typer.Exit(int(code))


@group.command()
def policy(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's name in the fleet.")],
    fleet: FleetAloneOption = DEFAULT_FLEET,
) -> None:
    """The least-privilege policy for an account: exactly what duoyun calls there, to paste. Asks no cloud.

    duoyun providers policy aws-cn --fleet examples/miniprogram
    """
    from orchestrator.accounts import policy_of
    from orchestrator.load import load_fleet

    out: Output = ctx.obj
    document = policy_of(load_fleet(fleet), account)
    out.result({"account": account, "policy": document})
    if not out.is_json:
        typer.echo(json.dumps(document, indent=2))


@group.command()
def prices(
    ctx: typer.Context,
    fleet: FleetAloneOption = DEFAULT_FLEET,
    account: AccountOption = None,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh", help="Ask the clouds' price lists, and keep what they tell.", envvar="DUOYUN_REFRESH"
        ),
    ] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", help="Give a region up after this long.", envvar="DUOYUN_TIMEOUT")
    ] = "120s",
) -> None:
    """Where each region's prices come from, of which day, and how old. Without --refresh asks no cloud.

    --refresh also brings spot prices, and which zones sell a type to the account. Exit 75 where a part of it was not
    answered: what was known before is used on.

    duoyun providers prices --fleet examples/miniprogram --refresh
    """
    import time

    from cli.context import targets_of
    from cli.interrupt import Stop
    from cli.prices import show_prices, with_errors
    from model.exit_codes import ExitCode
    from orchestrator.load import load_fleet_book
    from orchestrator.prices import refresh as fetch
    from orchestrator.prices import told

    out: Output = ctx.obj
    known, book = load_fleet_book(fleet)
    errors: dict[str, Any] = {}
    if refresh:
        limit_s = seconds_of("--timeout", timeout)
        with Stop(4 * limit_s) as stop:
            fetched = fetch(
                known,
                targets_of(fleet, known),
                accounts=account or (),
                timeout_s=limit_s,
                cancelled=stop.asked,
            )
        errors = dict(fetched)
        known, book = load_fleet_book(fleet)
    rows = with_errors(told(known, book, time.time()), errors)
    rows = tuple(row for row in rows if not account or row.account in account)
    failed = [error for row in rows for error in (row.error, *row.errors.values()) if error is not None]
    code = ExitCode.TEMPORARY if failed else ExitCode.OK
    out.result({"regions": [row.to_dict() for row in rows]}, code)
    if not out.is_json:
        show_prices(out.console(), rows)
        out.mends(failed)
    raise typer.Exit(int(code))


@group.command()
def quotas(
    ctx: typer.Context,
    fleet: FleetAloneOption = DEFAULT_FLEET,
    account: AccountOption = None,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Ask the clouds, and keep what they tell.", envvar="DUOYUN_REFRESH"),
    ] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Drop what is kept: plans hold to it no longer.", envvar="DUOYUN_FORGET"),
    ] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", help="Give a region up after this long.", envvar="DUOYUN_TIMEOUT")
    ] = "120s",
) -> None:
    """How many vCPUs each account may have in each region, and uses. Without --refresh asks no cloud.

    Once fetched, plans use no more than the quota leaves, in regions for which the fleet names no quota_vcpu; until
    --forget. Exit 75 where an account did not answer: what was known before is used on.

    duoyun providers quotas --fleet examples/miniprogram --refresh
    """
    import time
    from dataclasses import replace

    from cli.context import targets_of
    from cli.interrupt import Stop
    from cli.prices import show_quotas
    from model.errors import UsageError
    from model.exit_codes import ExitCode
    from orchestrator import offers
    from orchestrator.load import load_fleet

    out: Output = ctx.obj
    if refresh and forget:
        raise UsageError("--refresh and --forget exclude each other", mend="give one of them")
    known, names = load_fleet(fleet), tuple(account or ())
    errors: dict[str, Any] = {}
    if refresh:
        limit_s = seconds_of("--timeout", timeout)
        with Stop(4 * limit_s) as stop:
            targets = targets_of(fleet, known)
            errors = dict(offers.refresh(known, targets, accounts=names, timeout_s=limit_s, cancelled=stop.asked))
    elif forget:
        offers.forget(known, names)
    told, warnings = offers.told(known, time.time(), names)
    rows = tuple(replace(row, error=errors.get(row.place)) for row in told)
    code = ExitCode.TEMPORARY if any(row.error for row in rows) else ExitCode.OK
    out.result({"regions": [row.to_dict() for row in rows]}, code)
    for warning in warnings:
        out.warning(f"{warning.what} ({warning.mend})")
    if not out.is_json:
        show_quotas(out.console(), rows)
        out.mends(row.error for row in rows if row.error)
    raise typer.Exit(int(code))


def _ok() -> Any:
    from model.exit_codes import ExitCode

    return ExitCode.OK


def show_abilities(console: Console, rows: tuple[Abilities, ...]) -> None:
    """One table: kinds down, accounts across; then what the adapters lack."""
    from rich.table import Table

    able = [row for row in rows if row.error is None]
    table = Table(box=None, pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for row in able:
        table.add_column(f"{row.spec.name}\n{row.spec.partition}", no_wrap=True)
    colours = {"full": "green", "read": "cyan", "none": "red"}
    for index, kind in enumerate(able[0].kinds if able else ()):
        cells = [row.kinds[index] for row in able]
        marks = ["*" if cell.lacking_fields and cell.access == "full" else "" for cell in cells]
        shown = [f"[{colours[c.access]}]{c.access}[/]{m}" for c, m in zip(cells, marks, strict=True)]
        table.add_row(kind.kind.value, *shown)
    console.print(table)
    told = {
        (row.spec.cloud, kind.kind.value): f"  * {row.spec.cloud} {kind.kind.value}: cannot set "
        f"{', '.join(kind.lacking_fields)}"
        for row in able
        for kind in row.kinds
        if kind.lacking_fields and kind.access == "full"
    }
    for line in told.values():
        console.print(line)
    for row in rows:
        if row.error is not None:
            console.print(f"[red]{row.spec.name}[/]: {escaped(row.error.summary)}")


_COLOURS = {"ok": "green", "missing": "red", "unknown": "yellow", "failed": "red", "elsewhere": "dim"}


def show_checked(console: Console, rows: tuple[Checked, ...]) -> None:
    """A paragraph an account: who, what; then the document that is missing."""
    for row in rows:
        _show_checked(console, row)


def _show_checked(console: Console, row: Checked) -> None:
    where = f"{row.spec.name} ({row.spec.partition}/{row.spec.account_id})"
    console.print(f"[{_COLOURS[row.standing.value]}]{row.standing.value}[/] {where}", soft_wrap=True)
    if row.principal:
        console.print(f"    we are {escaped(row.principal)}", soft_wrap=True)
    if row.error is not None:
        console.print(f"    {escaped(row.error.summary)}", soft_wrap=True)
        if row.error.mend:
            console.print(f"    [green]mend:[/] {escaped(row.error.mend)}", soft_wrap=True)
        return
    if row.rights is None:
        console.print("    what we may do there cannot be found out")
        return
    rights = row.rights
    counts = f"{len(rights.allowed)} actions allowed, {len(rights.missing)} missing, {len(rights.unknown)} unknown"
    console.print(f"    {counts}" + (f", as {rights.how} tells" if rights.how else ""), soft_wrap=True)
    if rights.note:
        console.print(f"    [yellow]note:[/] {escaped(rights.note)}", soft_wrap=True)
    if row.missing_policy is not None:
        console.print("    [green]mend:[/] add what is missing:")
        console.print(json.dumps(row.missing_policy, indent=2), markup=False, soft_wrap=True)
