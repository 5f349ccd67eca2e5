"""Rules between entries of the documents, which no single field can break alone.

Callers: model.spec.load (with documents, for positions) and whoever builds or edits a spec in memory
(`check_spec`). Pure. Non-goals: whether a placement exists (the scheduler says so, with reasons), and policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel

from model.errors import Diagnostic
from model.spec.app import Application
from model.spec.assumptions import Assumptions
from model.spec.fleet import Fleet
from model.spec.yaml_source import Document

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Checked(Generic[M]):
    """A document as far as it holds. value: None where nothing of it does.

    partial: entries are missing from value because they are wrong; left_out: their names, as far as they have one.
    kept: for each list that lost entries, the original index of each that stayed.
    """

    value: M | None
    document: Document | None
    partial: bool = False
    left_out: frozenset[str] = frozenset()
    kept: Mapping[Path, list[int]] = field(default_factory=dict)

    def position(self, path: Path) -> str:
        """file:line:column; for a value without a document its path, as in `spec.services[3]`."""
        if self.document is None:
            return ""
        real: list[str | int] = []
        for i, part in enumerate(path):
            kept = self.kept.get(tuple(path[:i]))
            real.append(kept[part] if kept is not None and isinstance(part, int) else part)
        return self.document.position(tuple(real))


class Notes(Generic[M]):
    """Collects diagnostics of one document."""

    def __init__(self, checked: Checked[M]) -> None:
        self.checked = checked
        self.found: list[Diagnostic] = []

    def error(self, path: Path, what: str, mend: str = "") -> None:
        self.found.append(Diagnostic(self.checked.position(path), what, mend))

    def warn(self, path: Path, what: str, mend: str = "") -> None:
        self.found.append(Diagnostic(self.checked.position(path), what, mend, "warning"))


def check(app: Checked[Application], fleet: Checked[Fleet], assumptions: Checked[Assumptions]) -> list[Diagnostic]:
    """All that is wrong between the entries; severity `error` or `warning`."""
    from model.spec.check_app import check_app
    from model.spec.check_assumptions import check_assumptions
    from model.spec.check_fleet import check_fleet
    from model.spec.check_unused import unused_in_app

    found: list[Diagnostic] = []
    if fleet.value is not None:
        found += check_fleet(fleet, assumptions)
    if app.value is not None:
        found += check_app(app, fleet) + unused_in_app(app)
    if assumptions.value is not None:
        found += check_assumptions(assumptions, fleet)
    return found


def check_spec(app: Application, fleet: Fleet, assumptions: Assumptions | None = None) -> list[Diagnostic]:
    """The same for values without documents."""
    return check(Checked(app, None), Checked(fleet, None), Checked(assumptions, None))
