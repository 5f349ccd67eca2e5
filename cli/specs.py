"""`duoyun validate` and `duoyun schema`: the documents alone, no cloud, no store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DEFAULT_APP, AppArgument, FleetOption, files
from cli.output import Output
from model.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command()(validate)
    app.command()(schema)


def validate(ctx: typer.Context, application: AppArgument = DEFAULT_APP, fleet: FleetOption = None) -> None:
    """Check both files and everything between them; every mistake at once. Exit 3 where there is one.

    duoyun validate examples/miniprogram
    """
    from orchestrator.load import load

    out: Output = ctx.obj
    loaded = load(*files(application, fleet))
    services, sites = loaded.app.spec.services, list(loaded.fleet.sites())
    warnings = [str(w) for w in loaded.warnings]
    out.result(
        {
            "application": loaded.app.name,
            "fleet": loaded.fleet.name,
            "services": len(services),
            "replicas": sum(s.replicas for s in services),
            "sites": len(sites),
            "warnings": warnings,
        }
    )
    if not out.is_json:
        for line in warnings:
            out.warning(line)
        replicas = sum(s.replicas for s in services)
        clouds = len({s.partition for s in sites})
        out.console().print(
            f"[green]valid[/]: {loaded.app.name}, {len(services)} services with {replicas} replicas, "
            f"over {len(sites)} sites of {clouds} partitions"
        )


def schema(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="app, fleet, assumptions or problem")],
    save: Annotated[
        Path | None, typer.Option("--save", help="Write it to this file.", envvar="DUOYUN_SCHEMA_SAVE")
    ] = None,
) -> None:
    """Print a document's JSON Schema, for editors and other programs.

    duoyun schema app --save app.schema.json
    """
    import json

    from model.spec.load import json_schema

    out: Output = ctx.obj
    kinds = ("app", "fleet", "assumptions", "problem")
    if kind not in kinds:
        raise UsageError(f"there is no schema {kind!r}", mend=f"one of {', '.join(kinds)}")
    if kind == "problem":
        from scheduler.document import problem_schema

        found = problem_schema()
    else:
        found = json_schema(kind)
    text = json.dumps(found, indent=2, ensure_ascii=False)
    if save:
        save.write_text(text + "\n", encoding="utf-8")
        out.result({"kind": kind, "saved": str(save)})
    else:
        typer.echo(text)  # the schema itself is JSON already, whatever -o says
