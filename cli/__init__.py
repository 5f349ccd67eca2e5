"""Arguments in, exit codes out; no logic. One file a group of commands.

Nothing heavy is imported here: a command imports what it needs when it runs (tests/cli proves it from sys.modules).
"""

__project__ = "duoyun"


def start() -> None:
    """Runs the command line and ends the process with the documented exit code."""
    from cli.main import run

    raise SystemExit(run())
