"""`duoyun init`: an application and a fleet of your own to begin with, which deploy on the sandbox as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.output import Output
from model.errors import UsageError

STARTER = Path(__file__).resolve().parents[1] / "examples" / "starter"
FILES = ("app.yaml", "fleet.yaml", "assumptions.yaml")


def register(app: typer.Typer) -> None:
    app.command()(init)


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where the files go; made where it is not there.")] = Path(),
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="What the application is called.",
            envvar="DUOYUN_INIT_NAME",
            show_default="the folder's name",
        ),
    ] = None,
) -> None:
    """Write a small application, its fleet and its assumptions to begin with: two services over two clouds.

    duoyun init shop && duoyun sandbox up && duoyun plan shop
    """
    out: Output = ctx.obj
    called = name or folder.resolve().name
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", called):
        raise UsageError(
            f"an application cannot be called {called!r}: lower-case letters, digits and hyphens, at most 40",
            mend="give it a name with --name",
        )
    there = [n for n in FILES if (folder / n).exists()]
    if there:
        raise UsageError(
            f"{folder / there[0]} is there already; nothing was written", mend="name another folder, or move it away"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in FILES:
            text = (STARTER / each).read_text(encoding="utf-8")
            (folder / each).write_text(re.sub(r"\bstarter\b", called, text), encoding="utf-8")
    except OSError as exc:
        raise UsageError(
            f"{folder} cannot be written: {exc.strerror}", mend="name a folder that you may write"
        ) from exc
    out.result({"application": called, "files": [str(folder / n) for n in FILES]})
    if not out.is_json:
        console = out.console()
        for each in FILES:
            console.print(f"[green]written[/]: {folder / each}")
        console.print("They run on the sandbox as they are; what to write in them: docs/spec.md. Next:")
        for line in ("duoyun sandbox up", f"duoyun plan {folder}", f"duoyun deploy {folder} --yes"):
            console.print(f"  {line}", highlight=False)
