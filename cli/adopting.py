"""`duoyun adopt`: records that what exists is ours from now on, without touching it; `--undo` gives it back."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.context import context_for
from cli.options import (
    DEFAULT_APP,
    AppOption,
    FleetOption,
    LocalStateOption,
    LockTimeoutOption,
    StatesOption,
    StoreOption,
    seconds_of,
)
from cli.output import Output


def register(app: typer.Typer) -> None:
    app.command()(adopt)


def adopt(
    ctx: typer.Context,
    address: Annotated[
        list[str], typer.Argument(help="partition/account/region/kind/name, as `duoyun survey` shows it.")
    ],
    application: AppOption = DEFAULT_APP,
    fleet: FleetOption = None,
    terraform_state: StatesOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="Forget what was adopted; it stays as it is.")] = False,
    lock_timeout: LockTimeoutOption = "0s",
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Record that resources are this application's from now on. Nothing of them is touched, no tag is written.

    Drift then compares them with how they are now, deploy brings them to what the files want, and destroy leaves them.
    What a Terraform state that you or the fleet name manages, or another fleet or application, is refused; then none is
    adopted.

    duoyun adopt aws-cn/222222222222/cn-north-1/network/main --app examples/miniprogram --terraform-state network.json
    """
    from orchestrator.adopt import addresses
    from orchestrator.adopt import adopt as adopt_now
    from orchestrator.adopt import release as release_now

    out: Output = ctx.obj
    wanted = addresses(address)
    wait_s = seconds_of("--lock-timeout", lock_timeout)
    with context_for(application, fleet, store, local_state, terraform_state=terraform_state) as context:
        if undo:
            rows = release_now(context, wanted, lock_timeout_s=wait_s)
        else:
            rows = adopt_now(context, wanted, lock_timeout_s=wait_s)
    out.result({"adopted": [row.to_dict() for row in rows]})
    if not out.is_json:
        words = {"adopted": "[green]adopted[/]", "known": "adopted before", "released": "[yellow]given back[/]"}
        for row in rows:
            out.console().print(f"{words[row.outcome]} {row.address} ({row.provider_id})")
