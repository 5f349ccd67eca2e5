"""What `policy check` says of its inputs: each finding with where it stands, and the one exit code.

Callers: orchestrator.checking (makes it), reports (show it). Pure. Nothing that was found is ever left out: a waived,
known or unchanged finding stays in the verdict with its standing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from model.errors import Diagnostic
from model.exit_codes import ExitCode
from model.plan import Finding, GateReport, Severity
from policies.baseline import fingerprints
from policies.mends.edits import Edit, NoEdit
from policies.positions import Position
from policies.rules import Rule
from policies.waivers import Waiver

if TYPE_CHECKING:
    from policies.mends import Mender


class Standing(StrEnum):
    """denies: refuses the input. shown: below the severity that denies. waived: by a waiver. known: in the baseline.
    unchanged: in a file that the change does not touch. unknown: cannot be judged before apply."""

    DENIES = "denies"
    SHOWN = "shown"
    WAIVED = "waived"
    KNOWN = "known"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """One finding, with what decides about it. waiver: the one that excuses it. place: None where no file has it."""

    finding: Finding
    standing: Standing
    fingerprint: str
    place: Position | None = None
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what findings are weighed. baseline: fingerprints that were there before, None without a baseline.

    changed: files that the change touches, None where everything counts. max_unassessed: None for no limit.
    """

    fail_on: Severity = Severity.HIGH
    max_unassessed: int | None = None
    baseline: frozenset[str] | None = None
    changed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """unassessed: what could not be assessed, a line each (types without a mapping, modules that are missing).

    mistakes: inputs that cannot be read. faults: what went wrong with the tool itself. notes: worth knowing.
    """

    results: tuple[Result, ...]
    rules: tuple[Rule, ...]
    terms: Terms
    documents: int
    stages: Mapping[str, bool] = field(default_factory=dict)
    unassessed: tuple[str, ...] = ()
    mistakes: tuple[Diagnostic, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    mender: Mender | None = None

    def mend(self, result: Result) -> Edit | NoEdit | None:
        """The change that mends it, or why there is none; None where its mend is not mechanical, or not wanted."""
        if self.mender is None or result.standing not in (Standing.DENIES, Standing.SHOWN):
            return None
        return self.mender.mend(result.finding)

    def of(self, *standings: Standing) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.standing in standings)

    @property
    def unassessed_count(self) -> int:
        """What the loaders could not assess, and each resource with a value that only apply will tell."""
        return len(self.unassessed) + len({r.finding.address for r in self.of(Standing.UNKNOWN)})

    @property
    def too_much_unassessed(self) -> bool:
        return self.terms.max_unassessed is not None and self.unassessed_count > self.terms.max_unassessed

    @property
    def exit_code(self) -> ExitCode:
        """The tool's own fault before unreadable input before denied."""
        if self.faults:
            return ExitCode.ERROR
        if self.mistakes:
            return ExitCode.INVALID_INPUT
        return ExitCode.DENIED if self.of(Standing.DENIES) or self.too_much_unassessed else ExitCode.OK

    def counts(self) -> dict[str, int]:
        found = Counter(r.standing for r in self.results)
        return {s.value: found[s] for s in Standing}


def weigh(
    report: GateReport,
    terms: Terms,
    rules: Sequence[Rule],
    waivers: Sequence[Waiver] = (),
    *,
    unassessed: Sequence[str] = (),
    mistakes: Sequence[Diagnostic] = (),
    notes: Sequence[str] = (),
    mender: Mender | None = None,
) -> Verdict:
    """The verdict on a gate's report."""
    strict = frozenset(r.id for r in rules if r.unknown == "fail")
    by_id = {w.id: w for w in waivers}
    results = tuple(
        Result(
            finding=finding,
            standing=_standing(finding, fingerprint, terms, fails_unknown=finding.rule_id in strict),
            fingerprint=fingerprint,
            place=Position.parse(finding.position),
            waiver=by_id.get(finding.waived_by),
        )
        for finding, fingerprint in zip(report.findings, fingerprints(report.findings), strict=True)
    )
    return Verdict(
        results=results,
        rules=tuple(rules),
        terms=terms,
        documents=report.documents_checked,
        stages=report.stages,
        unassessed=tuple(unassessed),
        mistakes=tuple(mistakes),
        notes=tuple(notes),
        mender=mender,
    )


def _standing(finding: Finding, fingerprint: str, terms: Terms, *, fails_unknown: bool) -> Standing:
    if finding.fault:
        return Standing.DENIES
    if finding.waived_by:
        return Standing.WAIVED
    if terms.baseline is not None and fingerprint in terms.baseline:
        return Standing.KNOWN
    place = Position.parse(finding.position)
    if terms.changed is not None and place is not None and place.path not in terms.changed:
        return Standing.UNCHANGED
    if finding.unknown and not fails_unknown:
        return Standing.UNKNOWN
    if finding.approval:
        return Standing.SHOWN  # a release will ask for it; a file cannot have it yet
    return Standing.DENIES if finding.severity >= terms.fail_on else Standing.SHOWN
