"""What an evaluation gathers: resources, what was not assessed, mistakes and notes; and how much it may gather.

Callers: scope.py, modules.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from model.errors import Diagnostic
from model.native import Native
from policies.loaders.report import Unassessed


@dataclass(frozen=True, slots=True)
class Bounds:
    """instances: of one resource; total: of all."""

    instances: int = 10_000
    total: int = 200_000


@dataclass(slots=True)
class Gathered:
    """What an evaluation gathers beside the resources."""

    natives: list[Native] = field(default_factory=list)
    unassessed: list[Unassessed] = field(default_factory=list)
    mistakes: list[Diagnostic] = field(default_factory=list)
    notes: list[Diagnostic] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    bounds: Bounds = field(default_factory=Bounds)
    read_file: Callable[[str, str], bytes | str] = lambda _path, _folder: "files are not read here"

    def note(self, position: str, what: str, mend: str) -> None:
        if f"{position} {what}" not in self.said:
            self.said.add(f"{position} {what}")
            self.notes.append(Diagnostic(position, what, mend, "warning"))

    def mistake(self, position: str, what: str, mend: str) -> None:
        if f"{position} {what}" not in self.said:
            self.said.add(f"{position} {what}")
            self.mistakes.append(Diagnostic(position, what, mend))


class TooMany(Exception):
    """The input makes more resources than the bounds allow."""
