"""The command tree and the way out: every failure ends here, as text or JSON and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from functools import cache
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from cli import context
from cli.output import Format, Output
from model.errors import DuoyunError, Interrupted, UsageError
from model.exit_codes import ExitCode

app = typer.Typer(
    name="duoyun",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="""
    One spec, three clouds: place, gate, release, roll back and watch a backend over AWS, Azure and Alibaba Cloud.

    [bold]First steps[/]

      duoyun demo                                     see it all on an embedded sandbox, no account needed
      duoyun sandbox up && duoyun plan examples/miniprogram
      duoyun deploy examples/miniprogram --yes
      duoyun init shop                                an application and a fleet of your own to begin with
    """,
    epilog="Exit codes: 0 done, 1 error, 2 differences, 3 invalid input, 4 denied, 7 lease held, 8 rolled back, "
    "9 failed, 75 try again; the whole table: docs/cli.md",
)


def _version(wanted: bool) -> None:
    if wanted:
        from duoyun import __version__

        typer.echo(f"duoyun {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    ctx: typer.Context,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="table for people, json for programs.", envvar="DUOYUN_OUTPUT")
    ] = Format.TABLE,
    partition: Annotated[
        str | None,
        typer.Option(
            "--partition",
            help="Work for this partition alone, or for several with commas between them: what this executor has the "
            "credentials of. docs/partitions.md",
            envvar="DUOYUN_PARTITION",
            show_default="all",
        ),
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours.", envvar="DUOYUN_NO_COLOR")] = False,
    version: Annotated[  # noqa: ARG001  (handled by its callback)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    ctx.obj = Output(output, no_color=no_color)
    context.PARTITION.set(partition or "")


# Command groups whose module has their name and registers nothing else.
ALONE = frozenset({"drift", "policy", "probe", "providers", "sandbox"})


def _register(only: str = "") -> None:
    """Once a process: commands that stand there twice make each call slower than the last.

    only: one of ALONE, where this process runs nothing else: the modules of the others are a third of the start-up.
    """
    if app.registered_groups or app.registered_commands:
        return
    if only in ALONE:
        importlib.import_module(f"cli.{only}").register(app)
        return
    from cli import (
        adopting,
        approvals,
        demo,
        drift,
        placing,
        policy,
        probe,
        providers,
        releases,
        sandbox,
        specs,
        starting,
        survey,
    )

    for module in (
        starting, specs, policy, placing, releases, approvals, drift, probe, providers, survey, adopting, sandbox, demo,
    ):  # fmt: skip
        module.register(app)


@cache
def _tree() -> Any:
    """The parser of what is registered. Built once a process: that takes longer than most commands do."""
    return get_command(app)


def run(args: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    own_process = args is None
    args = _output_option_first(sys.argv[1:] if args is None else args)
    out = _guess_output(args)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        _register(_command(args) if own_process else "")
        code = _tree()(args, prog_name="duoyun", standalone_mode=False)
        return int(code or 0)
    except typer.Exit as exc:
        return int(exc.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        out.failure(Interrupted("interrupted", mend="what was begun goes on with `duoyun resume`"))
        return ExitCode.INTERRUPTED
    except _Terminated:
        out.failure(Interrupted("terminated", mend="what was begun goes on with `duoyun resume`"))
        return ExitCode.TERMINATED
    except TyperException as exc:  # everything that parsing the command line can object to
        context = getattr(exc, "ctx", None)
        command = context.command_path if context else "duoyun"
        text = exc.format_message() if hasattr(exc, "format_message") else str(exc)
        out.failure(UsageError(text, mend=f"{command} --help"))
        return ExitCode.USAGE
    except DuoyunError as exc:
        out.failure(exc)
        return exc.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`duoyun ... | head`); nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except Exception as exc:  # noqa: BLE001  (the last resort: a sentence and an exit code, never a bare traceback)
        if os.environ.get("DUOYUN_DEBUG"):
            traceback.print_exc()
        where = traceback.extract_tb(exc.__traceback__)[-1]
        out.failure(
            DuoyunError(
                f"unexpected {type(exc).__name__}: {exc}",
                detail=f"in {where.filename.rsplit('/', 1)[-1]}:{where.lineno} {where.name}",
                mend="this is a defect of duoyun; DUOYUN_DEBUG=1 shows the traceback to report it with",
            )
        )
        return ExitCode.ERROR


class _Terminated(BaseException):
    """SIGTERM, as an exception, so that leases are released and records closed on the way out."""


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise _Terminated


_OUTPUT = ("-o", "--output")
_GLOBAL_WITH_VALUE = (*_OUTPUT, "--partition")
_GLOBAL_FLAGS = ("--no-color",)


def _output_option_first(args: list[str]) -> list[str]:
    """`duoyun plan -o json` means what `duoyun -o json plan` means: both places are tried by hand at 3 a.m."""
    front: list[str] = []
    rest: list[str] = []
    index = 0
    while index < len(args):
        arg = args[index]
        if arg == "--":
            rest += args[index:]
            break
        if arg in _GLOBAL_WITH_VALUE and index + 1 < len(args):
            front += args[index : index + 2]
            index += 2
            continue
        (front if arg in _GLOBAL_FLAGS or arg.startswith(("--output=", "--partition=")) else rest).append(arg)
        index += 1
    return front + rest


def _command(args: list[str]) -> str:
    """The first word that is no global option; "" where there is none."""
    index = 0
    while index < len(args) and args[index].startswith("-"):
        index += 2 if args[index] in _GLOBAL_WITH_VALUE else 1
    return args[index] if index < len(args) else ""


def _guess_output(args: list[str]) -> Output:
    """The output to complain on where parsing itself fails."""
    wanted = os.environ.get("DUOYUN_OUTPUT", "")
    for flag, value in zip(args, [*args[1:], ""], strict=True):
        if flag in _OUTPUT:
            wanted = value
        elif flag.startswith("--output="):
            wanted = flag.removeprefix("--output=")
    return Output(Format.JSON if wanted == "json" else Format.TABLE, no_color="--no-color" in args)
