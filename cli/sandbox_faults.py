"""`duoyun sandbox fault add|list|clear|log`: what goes wrong in the sandbox, and what did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import Output
from model.errors import UsageError

group = typer.Typer(
    no_args_is_help=True,
    help="""
    One table of faults over all clouds and clusters of the sandbox. docs/sandbox.md has every field.

      duoyun sandbox fault add service=aws operation=ec2:RunInstances error=throttled count=3
      duoyun sandbox fault add service=kubernetes drop_answer=true writes_only=true rate=0.1 count=-1
      duoyun sandbox fault add --file faults.yaml
      duoyun sandbox fault log
    """,
)


@group.command()
def add(
    ctx: typer.Context,
    fields: Annotated[
        list[str] | None, typer.Argument(help="FIELD=VALUE ..., one fault.", metavar="[FIELD=VALUE]...")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Many faults: YAML or JSON.", envvar="DUOYUN_FAULT_FILE")
    ] = None,
) -> None:
    """Add a fault, or those of a file; all of them, or none where one does not hold."""
    if bool(fields) == (file is not None):
        raise UsageError("give either FIELD=VALUE ..., or --file FILE", mend="duoyun sandbox fault add --help")
    rows = [_fields(fields)] if fields else _file(file)
    ids = _control("/faults", "POST", rows)["ids"]
    out: Output = ctx.obj
    out.result({"ids": ids})
    if not out.is_json:
        out.console().print(f"added: {', '.join(ids)}")


@group.command("list")
def list_(ctx: typer.Context) -> None:
    """The faults there are; count is how often each still fires."""
    rows = _control("/faults")["faults"]
    out: Output = ctx.obj
    out.result({"faults": rows})
    if not out.is_json:
        for row in rows:
            out.console().print(_told(row))
        if not rows:
            out.console().print("no faults")


@group.command()
def clear(
    ctx: typer.Context,
    fault_id: Annotated[str, typer.Argument(help="One of them; all without it.", metavar="[ID]")] = "",
) -> None:
    """Remove all faults, or one. The log stays."""
    from urllib.parse import quote

    _control(f"/faults/{quote(fault_id, safe='')}" if fault_id else "/faults", "DELETE")
    out: Output = ctx.obj
    out.result({"cleared": fault_id or "all"})
    if not out.is_json:
        out.console().print(f"cleared: {fault_id or 'all faults'}")


@group.command()
def log(
    ctx: typer.Context,
    since: Annotated[int, typer.Option(min=0, help="Only from that number on.", envvar="DUOYUN_FAULT_SINCE")] = 0,
) -> None:
    """Every fault that fired."""
    rows = _control(f"/faults/log?since={since}")["log"]
    out: Output = ctx.obj
    out.result({"log": rows})
    if not out.is_json:
        for row in rows:
            at = datetime.fromtimestamp(row["at_s"], UTC).strftime("%H:%M:%S.%f")[:-3]
            where = f" ({row['detail']})" if row["detail"] else ""
            out.console().print(
                f"{row['number']:4} {at} {row['fault']}: {row['service']} {row['operation']}: {row['effect']}{where}",
                markup=False,
            )
        if not rows:
            out.console().print("nothing fired")


def _control(path: str, method: str = "GET", body: Any = None) -> Any:
    from orchestrator import sandbox_process
    from orchestrator.sandbox_endpoints import read_endpoints

    return sandbox_process.control(path, read_endpoints(), method, body)


_TEXTS = ("id", "service", "operation", "match", "code", "message", "error", "corrupt")


def _fields(given: list[str]) -> dict[str, Any]:
    """FIELD=VALUE as data. Numbers and true/false are read as such, but for fields that are texts."""
    row: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} is no FIELD=VALUE", mend="duoyun sandbox fault add --help")
        try:
            row[name] = value if name in _TEXTS else json.loads(value)
        except ValueError:
            row[name] = value
    return row


def _file(path: Path | None) -> Any:
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) if path else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise UsageError(f"{path} cannot be read: {exc}") from exc
    rows = data.get("faults") if isinstance(data, dict) and "faults" in data else data
    if not isinstance(rows, list):
        raise UsageError(f"{path}: a list of faults is wanted, or an object with `faults`")
    return rows


def _told(row: Mapping[str, Any]) -> str:
    defaults = {"service": "*", "operation": "*", "rate": 1.0, "count": 1}
    said = [
        f"{k}={v}" for k, v in row.items() if k != "id" and v not in (None, "", False, 0.0) and defaults.get(k) != v
    ]
    left = {-1: "always", 0: "used up"}.get(row["count"], f"{row['count']} to come")
    return f"{row['id']} ({left}): {' '.join(part for part in said if not part.startswith('count='))}"
