"""For people: finding, where, why, how to mend; what denies first, what is excused last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from policies.mends.edits import NoEdit, hunk
from policies.reports import Context
from policies.verdict import Result, Standing, Verdict

_TITLES = {
    Standing.DENIES: "denies",
    Standing.SHOWN: "shown (below the severity that denies)",
    Standing.UNKNOWN: "cannot be judged before apply",
    Standing.UNCHANGED: "in files that the change does not touch",
    Standing.KNOWN: "known (in the baseline)",
    Standing.WAIVED: "waived",
}
_MOST_AT_A_PLACE = 3  # a group that opens everything breaks a rule once for each port
_WHOLE = (Standing.DENIES, Standing.SHOWN)


def render(verdict: Verdict, _context: Context) -> str:
    return "\n".join(_lines(verdict)) + "\n"


def _lines(verdict: Verdict) -> Iterator[str]:
    rationales = {r.id: " ".join(r.rationale.split()) for r in verdict.rules}
    for fault in verdict.faults:
        yield f"ERROR: {fault}"
    for row in verdict.mistakes:
        yield f"UNREADABLE {row.position}: {row.what}" if row.position else f"UNREADABLE {row.what}"
        if row.mend:
            yield f"    mend: {row.mend}"
    for standing, title in _TITLES.items():
        rows = verdict.of(standing)
        if rows:
            yield f"{title}: {len(rows)}"
        if standing in _WHOLE:
            yield from _by_rule(rows, rationales, verdict)
        else:
            yield from (f"  {_head(r)}{_excuse(r)}" for r in rows)
    if verdict.unassessed:
        yield f"not assessed: {len(verdict.unassessed)}"
        yield from (f"  {row}" for row in verdict.unassessed)
    yield from (f"note: {note}" for note in verdict.notes)
    yield summary(verdict)


def _head(result: Result) -> str:
    finding = result.finding
    return f"{finding.severity.name} {finding.rule_id} {_where(result)}: {finding.message}"


def _where(result: Result) -> str:
    place = result.place
    return f"{place.path}:{place.line} {result.finding.address}" if place else result.finding.address


def _by_rule(results: Sequence[Result], rationales: dict[str, str], verdict: Verdict) -> Iterator[str]:
    """What a rule is about once, then each place where it is broken."""
    for (rule_id, mend), group in groupby(results, key=lambda r: (r.finding.rule_id, r.finding.mend)):
        rows = list(group)
        finding = rows[0].finding
        yield f"  {finding.severity.name} {rule_id} {finding.title}"
        said: Counter[str] = Counter()
        for row in rows:
            said[_where(row)] += 1
            if said[_where(row)] > _MOST_AT_A_PLACE:
                continue
            yield f"    {_where(row)}: {row.finding.message}"
            if row.standing is Standing.DENIES:
                yield from _diff(row, verdict)
        for where, times in said.items():
            if times > _MOST_AT_A_PLACE:
                yield f"    {where}: and {times - _MOST_AT_A_PLACE} more like these (all of them: --report json)"
        if rationales.get(rule_id):
            yield f"      why:  {rationales[rule_id]}"
        if mend:
            yield f"      mend: {mend}"


def _diff(result: Result, verdict: Verdict) -> Iterator[str]:
    """The change that mends it, or why there is none, where its mend is mechanical."""
    edit = verdict.mend(result)
    if isinstance(edit, NoEdit):
        yield f"        no diff: {edit.why}"
    elif edit is not None and verdict.mender is not None:
        yield from (f"        {row}" for row in hunk(edit, verdict.mender.lines(edit.path)).split("\n"))


def _excuse(result: Result) -> str:
    if result.waiver is None:
        return ""
    return (
        f" (waiver {result.waiver.id} of {result.waiver.owner} until {result.waiver.expires}: {result.waiver.reason})"
    )


def summary(verdict: Verdict) -> str:
    """The last line: the verdict and its numbers."""
    counts = ", ".join(f"{count} {name}" for name, count in verdict.counts().items() if count) or "nothing found"
    words = {0: "passed", 1: "failed: the check itself", 3: "unreadable input", 4: "denied"}
    text = f"{words[int(verdict.exit_code)]}: {verdict.documents} documents, {len(verdict.rules)} rules; {counts}"
    if verdict.unassessed_count:
        limit = verdict.terms.max_unassessed
        allowed = "no limit" if limit is None else f"{limit} allowed"
        text += f"; {verdict.unassessed_count} not assessed ({allowed})"
    return text
