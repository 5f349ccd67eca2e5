"""`duoyun sandbox network show|set|clear`: what lies between you, the clouds and the sites in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.output import Output
from model.errors import UsageError

group = typer.Typer(
    no_args_is_help=True,
    help="""
    Round trips, jitter, loss and resets between you, the clouds and the sites, in real time (--time-scale or not).

      duoyun sandbox network set harsh                 600 ms, 5 % loss, resets, towards everything
      duoyun sandbox network set --between vantage azure --rtt-ms 300 --loss 0.02
      duoyun sandbox network set --between "*" alibaba-cn/cn-hangzhou --cut
    """,
)


@group.command()
def show(ctx: typer.Context) -> None:
    """What is set, the paths there are, and what their relays have carried."""
    _show(ctx.obj, _control("/network"))


@group.command("set")
def set_(
    ctx: typer.Context,
    profile: Annotated[
        str, typer.Argument(help="calm: the matrix of round trips; harsh: 600 ms, 5 % loss, resets.")
    ] = "",
    vantage: Annotated[
        str, typer.Option(help="Where you stand: partition/region or a city.", envvar="DUOYUN_NETWORK_VANTAGE")
    ] = "",
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="Two places, or globs over them: a link of your own.", metavar="A B", envvar="DUOYUN_NETWORK_BETWEEN"
        ),
    ] = None,
    rtt_ms: Annotated[
        float | None, typer.Option(help="Its round trip, without jitter.", envvar="DUOYUN_NETWORK_RTT_MS")
    ] = None,
    jitter_ms: Annotated[
        float | None, typer.Option(help="Standard deviation of the round trip.", envvar="DUOYUN_NETWORK_JITTER_MS")
    ] = None,
    loss: Annotated[
        float | None, typer.Option(help="Share of packets lost, each way: 0 to 0.9.", envvar="DUOYUN_NETWORK_LOSS")
    ] = None,
    resets: Annotated[
        float | None,
        typer.Option(help="Share of exchanges that end in a reset: 0 to 1.", envvar="DUOYUN_NETWORK_RESETS"),
    ] = None,
    cut: Annotated[
        bool, typer.Option("--cut", help="Nothing passes; connections hang.", envvar="DUOYUN_NETWORK_CUT")
    ] = False,
) -> None:
    """Set a profile, a link, or both. Links add up, the last that fits wins; a profile given anew forgets them."""
    link = {"rtt_ms": rtt_ms, "jitter_ms": jitter_ms, "loss": loss, "resets": resets, "cut": cut or None}
    given = {name: value for name, value in link.items() if value is not None}
    if given and between is None:
        raise UsageError(f"--{next(iter(given)).replace('_', '-')} needs --between A B: which link is meant")
    if between is not None and not given:
        raise UsageError("--between needs one of --rtt-ms, --jitter-ms, --loss, --resets, --cut")
    if not (profile or vantage or between):
        raise UsageError(
            "nothing to set: name a profile (calm, harsh), --vantage or --between",
            mend="duoyun sandbox network set --help",
        )
    data: Any = None
    if profile or vantage:
        before = {} if profile else _control("/network")
        wanted = {"profile": profile or before.get("profile"), "links": before.get("links", [])}
        if where := vantage or _control("/network")["vantage"]:
            wanted["vantage"] = where
        data = _control("/network", "PUT", wanted)
    if between is not None:
        data = _control("/network/links", "POST", {"a": between[0], "b": between[1], **given})
    _show(ctx.obj, data)


@group.command()
def clear(ctx: typer.Context) -> None:
    """No network any more: everything is next door."""
    _show(ctx.obj, _control("/network", "DELETE"))


def _control(path: str, method: str = "GET", body: Any = None) -> Any:
    from orchestrator import sandbox_process
    from orchestrator.sandbox_endpoints import read_endpoints

    return sandbox_process.control(path, read_endpoints(), method, body)


def _show(out: Output, data: Mapping[str, Any]) -> None:
    out.result({"network": data})
    if out.is_json:
        return
    console = out.console()
    if not data["on"]:
        console.print("no network: every place is next door")
        return
    profile = data["profile"] or "links of your own"
    console.print(f"network {profile}, seen from {data['vantage']}")
    for row in data["links"]:
        said = ", ".join(f"{name} {value}" for name, value in row.items() if name not in ("a", "b"))
        console.print(f"  set: {row['a']} to {row['b']}: {said}")
    for path in data["paths"]:
        console.print(f"  {path['from']} to {path['to']}: {_link(path['link'])}{_counted(path['counted'])}")


def _link(link: Mapping[str, Any]) -> str:
    if link["cut"]:
        return "cut"
    parts = [f"{link['rtt_ms']:.4g} ms"]
    if link["jitter_ms"]:
        parts.append(f"jitter {link['jitter_ms']:.3g} ms")
    if link["loss"]:
        parts.append(f"loss {100 * link['loss']:g} %")
    if link["resets"]:
        parts.append(f"resets {100 * link['resets']:g} %")
    if link["source"]:
        parts.append(f"{'assumed: ' if link['assumed'] else ''}{link['source']}")
    return ", ".join(parts)


def _counted(counted: Mapping[str, int]) -> str:
    if not counted["connections"]:
        return ""
    return (
        f"; {counted['connections']} connections, {counted['bytes']} bytes, {counted['lost']} packets lost, "
        f"{counted['resets']} resets"
    )
