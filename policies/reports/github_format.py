"""GitHub workflow commands: annotations at the lines of a pull request (docs.github.com, "Workflow commands")."""

from __future__ import annotations

from collections.abc import Iterator

from model.plan import Severity
from policies.reports import Context
from policies.reports.text_format import summary
from policies.verdict import Result, Standing, Verdict


def render(verdict: Verdict, _context: Context) -> str:
    return "\n".join(_lines(verdict)) + "\n"


def _lines(verdict: Verdict) -> Iterator[str]:
    for text in verdict.faults:
        yield f"::error title=duoyun::{_data(text)}"
    for row in verdict.mistakes:
        yield f"::error title=Unreadable input::{_data(str(row))}"
    for result in verdict.results:
        yield f"::{_level(result)} {_place(result)}title={_property(_title(result))}::{_data(_message(result))}"
    if verdict.unassessed_count:
        level = "error" if verdict.too_much_unassessed else "notice"
        rows = "\n".join([f"{verdict.unassessed_count} not assessed", *verdict.unassessed])
        yield f"::{level} title=Not assessed::{_data(rows)}"
    yield f"::notice title=duoyun policy check::{_data(summary(verdict))}"


def _level(result: Result) -> str:
    if result.standing is Standing.DENIES:
        return "error"
    if result.standing is Standing.SHOWN and result.finding.severity >= Severity.MEDIUM:
        return "warning"
    return "notice"


def _title(result: Result) -> str:
    excuse = "" if result.standing in (Standing.DENIES, Standing.SHOWN) else f" ({result.standing.value})"
    return f"{result.finding.rule_id} {result.finding.title}{excuse}"


def _message(result: Result) -> str:
    mend = f"\nmend: {result.finding.mend}" if result.finding.mend else ""
    return f"{result.finding.address}: {result.finding.message}{mend}"


def _place(result: Result) -> str:
    if result.place is None:
        return ""
    column = f",col={result.place.column}" if result.place.column else ""
    return f"file={_property(result.place.path)},line={result.place.line}{column},"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
