"""What `duoyun policy check` can be told. Callers: cli.policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        help="Also write the verdict as FORMAT=FILE: text, json, sarif, junit, github, gitlab or diff; "
        "without =FILE to standard output. May be repeated.",
        envvar="DUOYUN_REPORT",
    ),
]
FailOnOption = Annotated[
    str,
    typer.Option(
        "--fail-on", help="Deny from this severity on: info, low, medium, high, critical.", envvar="DUOYUN_FAIL_ON"
    ),
]
ChangedSinceOption = Annotated[
    str | None,
    typer.Option(
        "--changed-since", help="Only files that differ from this git revision deny.", envvar="DUOYUN_CHANGED_SINCE"
    ),
]
MaxUnassessedOption = Annotated[
    int | None,
    typer.Option(
        "--max-unassessed",
        min=0,
        help="Deny where more than this could not be assessed.",
        envvar="DUOYUN_MAX_UNASSESSED",
        show_default="0 where CI is set, else no limit",
    ),
]
CheckFleetOption = Annotated[
    Path | None,
    typer.Option(
        "--fleet",
        help="Take parameters, waivers and bundles from this fleet.",
        envvar="DUOYUN_FLEET",
        show_default="the fleet among the files, if there is one",
    ),
]
WaiversOption = Annotated[
    list[Path] | None,
    typer.Option("--waivers", help="A file of waivers. May be repeated.", envvar="DUOYUN_WAIVERS"),
]
BaselineOption = Annotated[
    Path | None,
    typer.Option("--baseline", help="Findings in this file are known and do not deny.", envvar="DUOYUN_BASELINE"),
]
WriteBaselineOption = Annotated[
    bool,
    typer.Option(
        "--write-baseline",
        help="Write what is found now to the baseline, and pass.",
        envvar="DUOYUN_WRITE_BASELINE",
    ),
]
