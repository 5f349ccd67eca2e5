"""`duoyun sandbox up|down|status|env`: the three clouds on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import Output
from model.errors import UsageError

group = typer.Typer(
    no_args_is_help=True,
    help="""
    The three clouds and their Kubernetes clusters on this machine, over real HTTP.

      duoyun sandbox up                      start it; it stays until `down`
      eval "$(duoyun sandbox env)"           then use boto3, kubectl and the rest against it
      duoyun sandbox status -o json
    """,
)


def register(app: typer.Typer) -> None:
    from cli import sandbox_faults, sandbox_network

    group.add_typer(sandbox_faults.group, name="fault")
    group.add_typer(sandbox_network.group, name="network")
    app.add_typer(group, name="sandbox")


@group.command()
def up(
    ctx: typer.Context,
    profile: Annotated[
        str, typer.Option(help="instant, or realistic: as slow as the clouds are.", envvar="DUOYUN_SANDBOX_PROFILE")
    ] = "instant",
    time_scale: Annotated[
        float, typer.Option(help="Divide the realistic durations by this.", envvar="DUOYUN_SANDBOX_TIME_SCALE")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Repeatable ids, latencies and faults.", envvar="DUOYUN_SANDBOX_SEED")] = 0,
    state: Annotated[
        Path | None, typer.Option(help="Keep the contents in this folder.", envvar="DUOYUN_SANDBOX_STATE")
    ] = None,
    network: Annotated[
        str, typer.Option(help="What lies between: calm or harsh; nothing by default.", envvar="DUOYUN_SANDBOX_NETWORK")
    ] = "",
    vantage: Annotated[
        str,
        typer.Option(help="Where you stand: partition/region or a city.", envvar="DUOYUN_SANDBOX_VANTAGE"),
    ] = "",
    faults: Annotated[
        Path | None, typer.Option(help="A file of faults, YAML or JSON.", envvar="DUOYUN_SANDBOX_FAULTS")
    ] = None,
) -> None:
    """Start the sandbox in the background and wait until it is ready."""
    from orchestrator import sandbox_process

    out: Output = ctx.obj
    if profile not in ("instant", "realistic"):
        raise UsageError(f"--profile {profile}: there are instant and realistic", mend="duoyun sandbox up --help")
    if network not in ("", "calm", "harsh"):
        raise UsageError(f"--network {network}: there are calm and harsh", mend="duoyun sandbox up --help")
    opts = sandbox_process.SandboxOptions(
        profile, time_scale, seed, state, network=network, vantage=vantage, faults=faults
    )
    running = sandbox_process.start(None, opts)
    out.result({"pid": running.pid, "profile": profile, "clouds": dict(running.clouds)})
    if not out.is_json:
        out.console().print(
            f"sandbox is up (process {running.pid}, profile {profile}{f', network {network}' if network else ''}): "
            + ", ".join(sorted(running.clouds))
        )
        out.console().print("next: duoyun plan examples/miniprogram")


@group.command()
def down(ctx: typer.Context) -> None:
    """End the sandbox; what it held is gone unless it was started with --state."""
    from orchestrator import sandbox_process

    out: Output = ctx.obj
    stopped = sandbox_process.stop()
    out.result({"stopped": stopped})
    if not out.is_json:
        out.console().print("sandbox is down" if stopped else "no sandbox was running")


@group.command()
def status(ctx: typer.Context) -> None:
    """Whether it runs, since when, and what it holds. Exit 75 where none runs."""
    from orchestrator import sandbox_process
    from orchestrator.sandbox_endpoints import read_endpoints

    out: Output = ctx.obj
    running = read_endpoints()
    data = sandbox_process.control("/status", running)
    inventory = sandbox_process.control("/inventory", running)
    counts = {cloud: len(rows) for cloud, rows in sorted(inventory["clouds"].items())}
    out.result({"pid": running.pid, "status": data, "resources": counts})
    if not out.is_json:
        console = out.console()
        console.print(f"sandbox process {running.pid}, profile {running.profile}, since {running.started_at}")
        for cloud, count in counts.items():
            console.print(f"  {cloud:12} {count} resources")


@group.command()
def reclaim(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(help="A node of a spot pool, by its name in its cluster.")],
    back: Annotated[
        bool, typer.Option("--back/--gone", help="Whether its pool gets another one.", envvar="DUOYUN_RECLAIM_BACK")
    ] = True,
) -> None:
    """Let a cloud take a spot node back: the machine and its pods vanish at once. Exit 64 where no spot pool has it."""
    from orchestrator import sandbox_process
    from orchestrator.sandbox_endpoints import read_endpoints

    out: Output = ctx.obj
    told = sandbox_process.control("/reclaim", read_endpoints(), "POST", {"node": node, "back": back})
    out.result({**told, "back": back})
    if not out.is_json:
        rest = "its pool gets another one" if back else "its pool gets no other one"
        out.console().print(f"{told['cloud']} took {node} back; {rest}", markup=False)


@group.command()
def env(ctx: typer.Context) -> None:
    """Shell lines that point the clouds' own tools at the sandbox: eval "$(duoyun sandbox env)"."""
    from orchestrator.sandbox_endpoints import endpoints_path, read_endpoints

    out: Output = ctx.obj
    running = read_endpoints()
    variables = {"DUOYUN_SANDBOX": str(endpoints_path()), **running.environment}
    out.result({"environment": variables})
    if not out.is_json:
        import shlex

        for name, value in variables.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
