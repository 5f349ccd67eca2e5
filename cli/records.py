"""status, history, diff, unlock: what the store knows, and giving a stuck lease back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.context import context_for
from cli.options import DEFAULT_APP, AppArgument, AppOption, FleetOption, LocalStateOption, StoreOption, YesOption
from cli.output import Output, escaped
from model.errors import UsageError

if TYPE_CHECKING:
    from model.plan import Item


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(history)
    app.command()(diff)
    app.command()(unlock)
    app.command()(kubeconfig)


def when(at_s: float | None) -> str:
    """UTC, to the second; `-` for never."""
    return "-" if at_s is None else datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def status(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Per service and site, as last seen by a release or scan: in sync or not, failures in a row; who holds the lease.

    duoyun status examples/miniprogram
    """
    from rich.table import Table

    from orchestrator.records import endpoints, status_rows

    out: Output = ctx.obj
    with context_for(application, fleet, store, local_state) as context:
        rows = status_rows(context)
        revision = context.store.revisions.latest(context.scope)
        lease = context.store.leases.current(context.scope)
        urls = endpoints(context)
    out.result(
        {
            "application": context.scope.application,
            "revision": revision.number if revision else None,
            "state": revision.state.value if revision else None,
            "lease": {"holder": lease.holder, "since_s": lease.since_s, "until_s": lease.until_s} if lease else None,
            "endpoints": urls,
            "rows": [r.to_dict() for r in rows],
        }
    )
    if out.is_json:
        return
    console = out.console()
    if revision is None:
        console.print(f"{context.scope.application} was never deployed: duoyun deploy")
        return
    console.print(f"{context.scope.application}: revision {revision.number} is {revision.state.value}")
    if lease:
        console.print(
            f"[yellow]lease[/] held by {lease.holder} since {when(lease.since_s)}, until {when(lease.until_s)}"
        )
    table = Table(box=None, pad_edge=False)
    for name in ("service", "site", "state", "desired", "observed", "last sync", "failures"):
        table.add_column(name, no_wrap=name != "site", overflow="fold")
    for row in rows:
        mark = "[green]same[/]" if row.in_sync else f"[red]{row.observed_hash[:8] or 'nothing'}[/]"
        failures = f"[red]{row.consecutive_failures}[/]" if row.consecutive_failures else "0"
        table.add_row(row.service, row.site, row.state, row.desired_hash[:8], mark, when(row.last_sync_at_s), failures)
    console.print(table)
    for url in urls:
        console.print(f"  {url['service']} in {url['region']}: {url['url']}")


def history(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="At most so many, newest first.", envvar="DUOYUN_LIMIT")
    ] = 20,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also check the audit chain from its first entry.", envvar="DUOYUN_VERIFY")
    ] = False,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """The releases, newest first.

    duoyun history examples/miniprogram
    """
    from rich.table import Table

    from model.codec import to_data

    out: Output = ctx.obj
    with context_for(application, fleet, store, local_state) as context:
        rows = context.store.revisions.list(context.scope, limit=limit)
        broken = context.store.audit.verify(str(context.scope)) if verify else None
    out.result(
        {
            "revisions": [to_data(r) for r in rows],
            "audit": ("broken" if broken else "whole") if verify else "not checked",
        }
    )
    if not out.is_json and not rows:
        out.console().print("no releases yet")
    elif not out.is_json:
        table = Table(pad_edge=False)
        for name in ("revision", "state", "started", "seconds", "by", "message"):
            table.add_column(name)
        for row in rows:
            seconds = f"{row.ended_at_s - row.started_at_s:.0f}" if row.ended_at_s is not None else "-"
            table.add_row(
                str(row.number),
                row.state.value,
                when(row.started_at_s),
                seconds,
                escaped(row.actor),
                escaped(row.message or "-"),
            )
        out.console().print(table)
    if verify and not out.is_json:
        out.console().print(f"[red]audit chain broken: {broken}[/]" if broken else "[green]audit chain whole[/]")
    if broken:
        raise typer.Exit(1)


def diff(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    since: Annotated[
        int | None, typer.Option("--from", help="A revision; default: the one deployed.", envvar="DUOYUN_DIFF_FROM")
    ] = None,
    to: Annotated[
        int | None,
        typer.Option("--to", help="A revision; default: the files as they are now.", envvar="DUOYUN_DIFF_TO"),
    ] = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """What two desired states want differently: two revisions, or a revision and the files. Asks no cloud.

    duoyun diff examples/miniprogram
    duoyun diff examples/miniprogram --from 1 --to 2
    """
    from cli.plan_view import diff_line
    from model.codec import to_data
    from orchestrator.planning import bound_now, current_plan, desired_now
    from orchestrator.records import diff_items

    out: Output = ctx.obj
    with context_for(application, fleet, store, local_state) as context:

        def items_of(number: int) -> tuple[Item, ...]:
            revision = context.store.revisions.get(context.scope, number)
            return bound_now(context, context.store.plans.load(revision.plan_sha256).items)

        deployed = current_plan(context)
        before = items_of(since) if since is not None else bound_now(context, deployed.items if deployed else ())
        rows = diff_items(before, items_of(to) if to is not None else desired_now(context))
    out.result(
        {
            "changes": [
                {"change": r.change, "address": str(r.address), "fields": [to_data(f) for f in r.fields]} for r in rows
            ]
        }
    )
    if out.is_json:
        return
    console = out.console()
    signs = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}
    for row in rows:
        console.print(f"{signs[row.change]} {row.address}")
        for field in row.fields:
            console.print(f"    {diff_line(field)}")
    if not rows:
        console.print("[green]no difference[/]")


def unlock(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    yes: YesOption = False,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Take the lease away from whoever holds it. Only when you know that its holder is dead: the audit records it.

    duoyun unlock examples/miniprogram
    """
    import sys

    from orchestrator.leasing import whoami

    out: Output = ctx.obj
    with context_for(application, fleet, store, local_state) as context:
        lease = context.store.leases.current(context.scope)
        if lease is not None and not yes:
            if out.is_json or not sys.stdin.isatty():
                raise UsageError(f"the lease is held by {lease.holder}, and nobody can be asked here", mend="add --yes")
            if not typer.confirm(f"{lease.holder} holds it until {when(lease.until_s)}; take it away?", err=True):
                raise typer.Abort
        taken = context.store.leases.unlock(context.scope, whoami()) if lease else None
    out.result({"unlocked": taken is not None, "holder": taken.holder if taken else None})
    if not out.is_json:
        text = f"taken from {taken.holder}" if taken else "nobody holds it"
        out.console().print(f"lease of {context.scope}: {text}")


def kubeconfig(
    ctx: typer.Context,
    region: Annotated[str, typer.Argument(help="partition/region of the fleet, e.g. azure-cn/chinanorth3.")],
    application: AppOption = DEFAULT_APP,
    fleet: FleetOption = None,
) -> None:
    """A kubeconfig for a cluster of the fleet, from its cloud's API, without any cloud CLI.

    duoyun kubeconfig azure-cn/chinanorth3 --app examples/miniprogram > kubeconfig
    kubectl --kubeconfig kubeconfig get pods -A
    """
    from cli.context import executor
    from cli.options import files
    from orchestrator.kubeconfig import kubeconfig_for
    from orchestrator.load import load
    from orchestrator.targets import Targets

    out: Output = ctx.obj
    loaded = load(*files(application, fleet))
    targets = Targets(loaded.fleet, folder=loaded.fleet_path.parent, executor=executor())
    text = kubeconfig_for(loaded.fleet, region, targets)
    out.result({"kubeconfig": text})
    if not out.is_json:
        typer.echo(text, nl=False)
