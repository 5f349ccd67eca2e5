"""What goes to stdout and stderr: tables for people, one JSON object for programs, errors with their mend.

With `-o json`, that object is the only thing on stdout, on failure too. Colours follow each stream's own terminal,
NO_COLOR and TERM=dumb.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from model.errors import Diagnostic, DuoyunError, InvalidInput
from model.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1


class Format(StrEnum):
    """-o"""

    TABLE = "table"
    JSON = "json"


class Output:
    """One per run of the command line."""

    def __init__(self, fmt: Format = Format.TABLE, *, no_color: bool = False) -> None:
        self.format = fmt
        self.lines = False  # one JSON object a line, for commands that go on and on
        self._no_color = no_color
        self._said = False

    @property
    def is_json(self) -> bool:
        return self.format is Format.JSON

    def lines_of_text(self, stream: TextIO | None = None) -> TextIO | None:
        """Where lines go as they are, since nobody there sees colours (a file, a pipe); None where somebody does."""
        where = stream or (sys.stderr if self.is_json else sys.stdout)
        return None if where.isatty() or os.environ.get("FORCE_COLOR") else where

    def console(self, stream: TextIO | None = None) -> Console:
        """A console on stdout, or on another stream. In JSON mode everything for people goes to stderr."""
        from rich.console import Console

        where = stream or (sys.stderr if self.is_json else sys.stdout)
        plain = self._no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        width = None if where.isatty() else int(os.environ.get("COLUMNS", "0")) or 120
        return Console(
            file=where,
            no_color=plain,
            force_terminal=False if plain else None,
            highlight=False,
            width=width,
            soft_wrap=not where.isatty(),
            emoji=False,
        )

    def result(self, data: Mapping[str, Any], code: ExitCode = ExitCode.OK) -> None:
        """The one JSON object of a command; nothing in table mode, where the command draws for itself."""
        if self.is_json:
            self._write({"schema_version": SCHEMA_VERSION, "exit_code": int(code), **data})

    def failure(self, error: DuoyunError) -> None:
        """An error with its evidence and mend, as text or as the JSON object."""
        if self.is_json:
            if not self._said:
                self._write(
                    {
                        "schema_version": SCHEMA_VERSION,
                        "diagnostics": [],
                        **error.to_dict(),
                    }
                )
            return
        console = self.console(sys.stderr)
        console.print(f"[bold red]error:[/] {escaped(error.summary)}", soft_wrap=True)
        if isinstance(error, InvalidInput):
            for row in error.diagnostics:
                self._diagnostic(console, row)
        elif error.detail:
            for line in error.detail.splitlines():
                console.print(f"  {escaped(line)}", soft_wrap=True)
        if error.mend:
            console.print(f"[green]mend:[/] {escaped(error.mend)}", soft_wrap=True)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Says on a terminal that something takes a while; silent elsewhere."""
        console = self.console(sys.stderr)
        if not console.is_terminal or console.is_dumb_terminal:
            yield
            return
        with console.status(text):
            yield

    def mends(self, errors: Iterable[DuoyunError]) -> None:
        """What to do about errors that were told in passing, each way once."""
        for mend in dict.fromkeys(e.mend for e in errors if e.mend):
            self.console(sys.stderr).print(f"[green]mend:[/] {escaped(mend)}", soft_wrap=True)

    def warning(self, text: str) -> None:
        self.console(sys.stderr).print(f"[yellow]warning:[/] {escaped(text)}", soft_wrap=True)

    def _diagnostic(self, console: Console, row: Diagnostic) -> None:
        where = f"[cyan]{escaped(row.position)}[/]: " if row.position else ""
        console.print(f"  {where}{escaped(row.what)}", soft_wrap=True)
        if row.mend:
            console.print(f"    [green]mend:[/] {escaped(row.mend)}", soft_wrap=True)

    def _write(self, data: Mapping[str, Any]) -> None:
        self._said = True
        json.dump(data, sys.stdout, ensure_ascii=False, indent=None if self.lines else 2, default=str)
        sys.stdout.write("\n")
        sys.stdout.flush()


def escaped(text: str) -> str:
    """Text in which nothing is taken for rich's markup."""
    from rich.markup import escape

    return escape(text)
