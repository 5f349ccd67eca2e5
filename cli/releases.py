"""plan, deploy, rollback, resume, destroy: what changes the world, or says how it would."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.context import context_for, regions_of
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
    WorkOption,
    YesOption,
    seconds_of,
)
from cli.output import Output
from model.errors import UsageError
from model.exit_codes import ExitCode, gravest

if TYPE_CHECKING:
    from cli.live import LiveView
    from model.plan import Plan
    from orchestrator.carry_out import Runner
    from orchestrator.planning import Context, Planned
    from orchestrator.release import Released

BakeOption = Annotated[
    str,
    typer.Option("--bake", help="Watch what was released this long before it counts.", envvar="DUOYUN_BAKE"),
]
ReplanOption = Annotated[
    bool,
    typer.Option("--replan", help="Place everything anew, even what need not move.", envvar="DUOYUN_REPLAN"),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Every action, however many.", envvar="DUOYUN_VERBOSE")
]
MessageOption = Annotated[str, typer.Option("--message", "-m", help="Why, for the history.", envvar="DUOYUN_MESSAGE")]


def register(app: typer.Typer) -> None:
    from cli import records

    app.command()(plan)
    app.command()(deploy)
    records.register(app)
    app.command()(rollback)
    app.command()(resume)
    app.command()(destroy)


def plan(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Write the plan to this file, to deploy it later.", envvar="DUOYUN_SAVE"),
    ] = None,
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="Exit 2 where there are changes.", envvar="DUOYUN_DETAILED_EXITCODE"),
    ] = False,
    replan: ReplanOption = False,
    work_limit: WorkOption = None,
    verbose: VerboseOption = False,
    timeout: TimeoutOption = "5m",
    terraform_state: StatesOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Show what a deploy would do, what it would cost, and what the policies say. Changes nothing.

    duoyun plan examples/miniprogram
    duoyun plan examples/miniprogram --save plan.json --detailed-exitcode
    """
    from cli.approvals import approval_summary, show_approval
    from cli.plan_view import plan_summary, show_plan
    from cli.prices import known_prices, show_summary
    from cli.saved_plans import save_plan
    from orchestrator.planning import make_plan

    out: Output = ctx.obj
    with context_for(application, fleet, store, local_state, timeout, None, terraform_state) as context:
        with out.working("observing and placing"):
            planned = make_plan(context, replan=replan, work_limit=work_limit)
        code = plan_exit_code(planned, detailed=detailed_exitcode)
        if save:
            save_plan(planned.plan, save)
        asked = approval_summary(context, planned.plan)
        prices = known_prices(context.loaded)
        data = {"command": "plan", **plan_summary(planned.plan), "approval": asked}
        out.result({**data, "prices": [row.to_dict() for row in prices]}, code)
        if not out.is_json:
            state = str(asked["state"])
            show_plan(out.console(), planned.plan, regions_of(context), verbose=verbose, approval=state)
            show_summary(out.console(), prices)
            show_approval(out.console(), asked)
            out.mends(planned.world.unobserved.values())
            if save:
                out.console().print(f"saved to {save}; to release it: duoyun deploy {application} --plan {save}")
    raise typer.Exit(int(code))


def plan_exit_code(planned: Planned, *, detailed: bool) -> ExitCode:
    """The gravest of: not all could be observed, denied, changes present."""
    codes = [ExitCode.OK]
    if planned.world.unobserved:
        codes.append(ExitCode.TEMPORARY)
    if planned.plan.gate is not None and not planned.plan.gate.passed:
        codes.append(ExitCode.DENIED)
    if detailed and planned.plan.actions:
        codes.append(ExitCode.DIFFERENCES)
    return gravest(*codes)


def deploy(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Execute this saved plan, and nothing else.", envvar="DUOYUN_PLAN")
    ] = None,
    yes: YesOption = False,
    message: MessageOption = "",
    replan: ReplanOption = False,
    work_limit: WorkOption = None,
    no_rollback: Annotated[
        bool, typer.Option("--no-rollback", help="Leave a failed release as it is.", envvar="DUOYUN_NO_ROLLBACK")
    ] = False,
    no_canary: Annotated[
        bool,
        typer.Option(
            "--no-canary", help="Everywhere at once, whatever the application says.", envvar="DUOYUN_NO_CANARY"
        ),
    ] = False,
    bake: BakeOption = "5s",
    verbose: VerboseOption = False,
    timeout: TimeoutOption = "45m",
    lock_timeout: LockTimeoutOption = "0s",
    identity: IdentityOption = None,
    terraform_state: StatesOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Release the application: place, gate, execute in dependency order, verify; roll back where it fails.

    duoyun deploy examples/miniprogram --yes -m "edge-gateway 1.1.0"
    duoyun deploy examples/miniprogram --plan plan.json
    """
    from cli.saved_plans import planned_again
    from orchestrator.planning import make_plan
    from orchestrator.release import nothing_to_do

    out: Output = ctx.obj
    with (
        context_for(application, fleet, store, local_state, timeout, identity, terraform_state) as context,
        executing(context, out, lock_timeout, bake) as (runner, view),
    ):
        with out.working("observing and placing"):
            planned = (
                planned_again(context, plan_file)
                if plan_file
                else make_plan(context, replan=replan, work_limit=work_limit)
            )
        if no_canary:
            planned = replace(planned, plan=replace(planned.plan, stages=()))
        if nothing_to_do(context, planned):
            _no_change(out, planned)
            return
        _consent(out, context, planned, yes=yes or plan_file is not None, verbose=verbose)
        released = _release(runner, view, planned, message, auto_rollback=not no_rollback)
        _show_released(out, context, released, planned.plan)


@contextmanager
def executing(context: Context, out: Output, lock_timeout: str, bake: str = "5s") -> Iterator[tuple[Runner, LiveView]]:
    """The lease, the engine and a live view."""
    from cli.live import LiveView
    from orchestrator.registry import PARTITION_TITLES
    from orchestrator.run import running

    view = LiveView(out.console(sys.stderr), PARTITION_TITLES)
    wait_s = seconds_of("--lock-timeout", lock_timeout)

    def on_phase(title: str, plan: Plan) -> None:
        view.plan(title, plan.actions)

    bake_s = seconds_of("--bake", bake)
    with running(context, view, lock_timeout_s=wait_s, bake_s=bake_s, on_phase=on_phase) as runner:
        yield runner, view


def _release(runner: Runner, view: LiveView, planned: Planned, message: str, *, auto_rollback: bool) -> Released:
    from orchestrator.release import release

    with view:
        return release(runner, planned, message=message, auto_rollback=auto_rollback)


def _no_change(out: Output, planned: Planned) -> None:
    planned.require_observed()
    from cli.plan_view import part_summary, show_part

    plan = planned.plan
    out.result({"changes": {}, "revision": plan.base_revision, "part": part_summary(plan)})
    if not out.is_json:
        where = f" in {', '.join(plan.partitions)}" if plan.partitions else ""
        said = f"nothing to do yet{where}" if plan.held else f"no change{where}"
        out.console().print(f"[green]{said}[/]" + ("" if plan.held else ": what is there is what the files want"))
        show_part(out.console(), plan)


def _consent(out: Output, context: Context, planned: Planned, *, yes: bool, verbose: bool) -> None:
    """Shows the plan and asks, where nobody said --yes. The gate, and what is unknown, are no question."""
    from cli.plan_view import show_plan
    from orchestrator.approvals.flow import standing_of
    from orchestrator.release import require_gate

    if not out.is_json:
        state = standing_of(context.asking, planned.plan, context.identity).state.value
        show_plan(out.console(), planned.plan, regions_of(context), verbose=verbose, approval=state)
    planned.require_observed()
    require_gate(planned.plan.gate)
    if yes or planned.plan.empty:  # only the verdict of a release that died is missing
        return
    if out.is_json or not sys.stdin.isatty():
        raise UsageError("this would change the world and nobody can be asked here", mend="look at the plan; add --yes")
    if not typer.confirm("carry this out?", err=True):
        raise typer.Abort


def _show_released(out: Output, context: Context, released: Released, plan: Plan | None = None) -> None:
    from cli.plan_view import part_summary, still_to_do
    from orchestrator.records import endpoints

    urls = endpoints(context)
    data: dict[str, Any] = {
        "revision": released.revision.number,
        "state": released.revision.state.value,
        "actions": len(released.outcome.actions),
        "seconds": round(released.seconds, 1),
        "endpoints": urls,
        "part": part_summary(plan) if plan else None,
    }
    out.result(data)
    if not out.is_json:
        console = out.console()
        console.print(
            f"[green]revision {released.revision.number} is {released.revision.state.value}[/]: "
            f"{len(released.outcome.actions)} actions in {released.seconds:.1f} s"
        )
        for row in urls:
            console.print(f"  {row['service']} in {row['region']}: {row['url']}")
        for line in still_to_do(plan) if plan else ():
            console.print(f"[yellow]still to do:[/] {line}", soft_wrap=True)


def rollback(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    to: Annotated[
        int | None,
        typer.Option("--to", help="The revision to go back to; default: the one before.", envvar="DUOYUN_ROLLBACK_TO"),
    ] = None,
    yes: YesOption = False,
    message: MessageOption = "",
    verbose: VerboseOption = False,
    timeout: TimeoutOption = "45m",
    lock_timeout: LockTimeoutOption = "0s",
    identity: IdentityOption = None,
    terraform_state: StatesOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Bring back exactly what an earlier revision wanted: workloads and placement, never data.

    duoyun rollback examples/miniprogram --to 1 --yes
    """
    from dataclasses import replace

    from orchestrator.planning import plan_of_revision
    from orchestrator.records import previous_number
    from orchestrator.release import nothing_to_do
    from orchestrator.rollback import backwards

    out: Output = ctx.obj
    with (
        context_for(application, fleet, store, local_state, timeout, identity, terraform_state) as context,
        executing(context, out, lock_timeout) as (runner, view),
    ):
        number = to if to is not None else previous_number(context)
        planned = plan_of_revision(context, number)
        if nothing_to_do(context, planned):
            _no_change(out, planned)
            return
        planned = replace(planned, plan=replace(planned.plan, actions=backwards(planned.plan.actions)))
        _consent(out, context, planned, yes=yes, verbose=verbose)
        text = message or f"back to revision {number}"
        released = _release(runner, view, planned, text, auto_rollback=False)
        _show_released(out, context, released, planned.plan)


def resume(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    timeout: TimeoutOption = "45m",
    lock_timeout: LockTimeoutOption = "0s",
    terraform_state: StatesOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Go on with a release that was interrupted or killed; nothing is done twice.

    duoyun resume examples/miniprogram
    """
    from orchestrator.release import resume as go_on

    out: Output = ctx.obj
    with (
        context_for(application, fleet, store, local_state, timeout, None, terraform_state) as context,
        executing(context, out, lock_timeout) as (runner, view),
    ):
        with view:
            released = go_on(runner)
        _show_released(out, context, released)


def destroy(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    confirm: Annotated[str, typer.Option("--confirm", help="The application's name, typed out.")] = "",
    timeout: TimeoutOption = "60m",
    lock_timeout: LockTimeoutOption = "0s",
    identity: IdentityOption = None,
    terraform_state: StatesOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Delete everything that duoyun created for this application, and nothing else.

    duoyun destroy examples/miniprogram --confirm miniprogram
    """
    from cli.plan_view import show_actions
    from orchestrator.planning import plan_destroy
    from orchestrator.release import nothing_to_do

    out: Output = ctx.obj
    with (
        context_for(application, fleet, store, local_state, timeout, identity, terraform_state) as context,
        executing(context, out, lock_timeout) as (runner, view),
    ):
        planned = plan_destroy(context)
        if nothing_to_do(context, planned):
            _no_change(out, planned)
            return
        if not out.is_json:
            show_actions(out.console(), planned.plan.actions)
        if confirm != context.scope.application:
            raise UsageError(
                f"destroying {context.scope.application} wants its name typed out",
                mend=f"duoyun destroy ... --confirm {context.scope.application}",
            )
        released = _release(runner, view, planned, "destroy", auto_rollback=False)
        _show_released(out, context, released, planned.plan)
