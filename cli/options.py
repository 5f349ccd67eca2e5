"""The options that several commands share. Consent (`--yes`, `--confirm`, ...) has no environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model.errors import UsageError
from model.units import duration_s

AppArgument = Annotated[
    Path,
    typer.Argument(
        help="The application file, or a folder that holds app.yaml.", envvar="DUOYUN_APP", show_default="app.yaml"
    ),
]
AppOption = Annotated[Path, typer.Option("--app", help="The application file or folder.", envvar="DUOYUN_APP")]
FleetOption = Annotated[
    Path | None,
    typer.Option("--fleet", help="The fleet file.", envvar="DUOYUN_FLEET", show_default="fleet.yaml beside the app"),
]
FleetAloneOption = Annotated[
    Path,
    typer.Option(
        "--fleet", help="The fleet file, or a folder that holds fleet.yaml.", envvar="DUOYUN_FLEET", show_default=True
    ),
]
StatesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--terraform-state",
        help="The output of `terraform show -json`: what stands in it is Terraform's. Repeatable.",
        envvar="DUOYUN_TERRAFORM_STATE",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Where the state lives: postgresql://... for a team, sqlite:///FILE for one person.",
        envvar="DUOYUN_STORE",
        show_default="the fleet's state.url, else SQLite in ~/.local/state/duoyun",
    ),
]
HistoryOption = Annotated[
    str,
    typer.Option(
        "--store",
        help="Begin with what was learned there, and keep what is learned: a state's URL.",
        envvar="DUOYUN_STORE",
        show_default="nothing is kept",
    ),
]
LocalStateOption = Annotated[
    bool, typer.Option("--local-state", help="Allow SQLite for real accounts: one person, one machine.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. It skips the question, never an approval.")]
TimeoutOption = Annotated[
    str, typer.Option("--timeout", help="Give up after this long, e.g. 45m.", envvar="DUOYUN_TIMEOUT")
]
LockTimeoutOption = Annotated[
    str,
    typer.Option("--lock-timeout", help="Wait this long for another release to end.", envvar="DUOYUN_LOCK_TIMEOUT"),
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        help="An SSH key that proves who asks, where an approval is asked for. A CI job's token in "
        "DUOYUN_IDENTITY_TOKEN does so too.",
        envvar="DUOYUN_IDENTITY",
    ),
]
WorkOption = Annotated[
    int | None,
    typer.Option("--work-limit", min=1, help="Search further than usual (search nodes).", envvar="DUOYUN_WORK_LIMIT"),
]
DEFAULT_APP = Path("app.yaml")
DEFAULT_FLEET = Path("fleet.yaml")


def files(app: Path, fleet: Path | None) -> tuple[Path, Path]:
    """The two files that a command works on; a folder stands for its app.yaml."""
    app_file = app / "app.yaml" if app.is_dir() else app
    return app_file, fleet or app_file.parent / "fleet.yaml"


def seconds_of(flag: str, text: str) -> float:
    """The duration that a flag was given. Raises UsageError."""
    try:
        return duration_s(text)
    except ValueError as exc:
        raise UsageError(f"{flag}: {exc}") from exc
